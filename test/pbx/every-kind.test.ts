import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Disposition, FinalContactState } from '../../src/calls/states.js';
import { until } from '../../src/lab/condition.js';
import { type FarEndCall, maxConcurrent } from '../../src/lab/far-end-log.js';
import {
  type AttemptRow,
  attemptsOf,
  type ContactRow,
  contactsOf,
  countersOf,
  groupBy,
  insertCampaignFixture,
  insertTenantFixture,
  insertTrunkFixture,
  mostOpen,
  numbersFor,
  untilCompleted,
} from '../support/campaigns.js';
import { describeOnAsterisk, filesOfOurs, type Line, startLine, toneMessage } from '../support/line.js';

const PORTS = 30;
const RING_SECONDS = 5;
const LATE_SECONDS = 1;
const MESSAGE_SECONDS = 1.6;
const RETRY = { busy: '2s,1s', no_answer: '1s', congestion: '1s*5', unreachable: '1s' };
const MAX_ATTEMPTS = 3;

interface Kind {
  contacts: number;
  disposition: Disposition;
  /** What the attempt's SIP answer may be. */
  sip: (number | null)[];
  hungUpBy: (string | null)[];
  state: FinalContactState;
  /** By the retry rules above. */
  attempts: number;
}

const kind = (
  contacts: number,
  disposition: Disposition,
  sip: number | null | (number | null)[],
  hungUpBy: string | null | string[],
  state: FinalContactState,
  attempts: number,
): Kind => ({ contacts, disposition, sip: [sip].flat(), hungUpBy: [hungUpBy].flat(), state, attempts });

/** 300 contacts by the last three digits of their number, which tell the far end what to do (sipp-scenario.ts). */
const KINDS: Record<string, Kind> = {
  200: kind(40, 'answered', 200, 'campanile', 'answered', 1),
  201: kind(30, 'answered', 200, 'callee', 'answered', 1),
  202: kind(20, 'answered', 200, 'campanile', 'answered', 1),
  203: kind(20, 'answered', 200, 'callee', 'answered', 1),
  205: kind(20, 'answered', 200, 'campanile', 'answered', 1),
  486: kind(30, 'busy', 486, 'callee', 'busy', 3),
  600: kind(6, 'busy', 600, 'callee', 'busy', 3),
  180: kind(10, 'no_answer', 180, 'pbx', 'no_answer', 2),
  183: kind(8, 'no_answer', 183, 'pbx', 'no_answer', 2),
  408: kind(6, 'no_answer', 408, 'callee', 'no_answer', 2),
  480: kind(10, 'no_answer', 480, 'callee', 'no_answer', 2),
  487: kind(6, 'no_answer', 487, 'callee', 'no_answer', 2),
  403: kind(10, 'rejected', 403, 'callee', 'failed', 1),
  603: kind(10, 'rejected', 603, 'callee', 'failed', 1),
  404: kind(15, 'invalid_number', 404, 'callee', 'invalid', 1),
  410: kind(8, 'invalid_number', 410, 'callee', 'invalid', 1),
  484: kind(8, 'invalid_number', 484, 'callee', 'invalid', 1),
  604: kind(6, 'invalid_number', 604, 'callee', 'invalid', 1),
  500: kind(4, 'congestion', 500, 'callee', 'failed', MAX_ATTEMPTS),
  502: kind(4, 'congestion', 502, 'callee', 'failed', MAX_ATTEMPTS),
  503: kind(10, 'congestion', 503, 'callee', 'failed', MAX_ATTEMPTS),
  504: kind(4, 'congestion', 504, 'callee', 'failed', MAX_ATTEMPTS),
  // Asterisk tries Local/<user of the Contact>@<the endpoint's context>, which is not there, and hangs up: before or
  // after it has taken notice of the 302.
  302: kind(3, 'unreachable', [302, 0], ['callee', 'pbx'], 'failed', 2),
  401: kind(2, 'unreachable', 401, 'callee', 'failed', 2),
  407: kind(2, 'unreachable', 407, 'callee', 'failed', 2),
  999: kind(3, 'unreachable', 0, 'pbx', 'failed', 2),
};
const NOWHERE = kind(5, 'unreachable', null, null, 'failed', 2);

/** The kinds that go through the admin's own dialplan as well, two contacts each. */
const ROUTED: Record<string, Kind> = {
  ...Object.fromEntries(
    ['200', '201', '202', '203', '205', '486', '180', '183', '480', '603', '404', '484', '503', '500'].map(
      (code) => [code, KINDS[code]!],
    ),
  ),
  // DIALSTATUS is CHANUNAVAIL: Dial() follows the redirect through the Local channel, and tells nothing of the 302.
  302: kind(2, 'unreachable', null, 'pbx', 'failed', 2),
  // Dial() says CANCEL of a far end that rings and of one that is silent.
  999: kind(2, 'no_answer', null, 'pbx', 'no_answer', 2),
};

/**
 * An admin's dialplan that tells whoever called how it went, as many do: Asterisk archives the call file at that moment.
 * His own hangup handler runs before ours, and takes its time.
 */
const ADMINS_DIALPLAN = `
[via-admin]
exten => _+X.,1,Dial(PJSIP/\${EXTEN}@far,60)
 same => n,Goto(\${DIALSTATUS},1)
exten => BUSY,1,Set(CHANNEL(hangup_handler_push)=slow,s,1)
 same => n,Busy(20)
exten => CONGESTION,1,Set(CHANNEL(hangup_handler_push)=slow,s,1)
 same => n,Congestion(20)
exten => _[A-Z]!,1,Hangup()
[slow]
exten => s,1,System(sleep 0.3)
 same => n,Return()
[via-nowhere]
exten => _+X.,1,Dial(PJSIP/\${EXTEN}@nowhere,60)
 same => n,Hangup()
`;

const codeOf = ({ number }: { number: string }) => number.slice(-3);

describeOnAsterisk('contacts of every kind', () => {
  let line: Line;
  const campaigns: Record<'direct' | 'nowhere' | 'routed' | 'routedNowhere' | 'noContext', string> = {
    direct: '',
    nowhere: '',
    routed: '',
    routedNowhere: '',
    noContext: '',
  };
  let calls: FarEndCall[];
  let attempts: AttemptRow[];
  let contacts: ContactRow[];
  let routed: AttemptRow[];

  beforeAll(async () => {
    line = await startLine({
      farEnd: { ringSeconds: LATE_SECONDS },
      extraExtensions: ADMINS_DIALPLAN,
    });
    const { pool } = line.database;
    const message = toneMessage(MESSAGE_SECONDS);
    const rules = { retry: RETRY, maxAttempts: MAX_ATTEMPTS, ringSeconds: RING_SECONDS };

    const tenant = await insertTenantFixture(pool, { ports: PORTS, ...message });
    const numbers = Array.from({ length: 40 }, (_, i) =>
      Object.entries(KINDS).flatMap(([code, { contacts }]) => (i < contacts ? numbersFor(code, 1, i) : [])),
    ).flat();
    const over = { ...rules, callerId: '+12125550100' };
    campaigns.direct = await insertCampaignFixture(pool, tenant, numbers, over);
    const elsewhere = await insertTrunkFixture(pool, tenant, { pbxTrunk: 'nowhere' });
    campaigns.nowhere = await insertCampaignFixture(
      pool,
      elsewhere,
      numbersFor('200', NOWHERE.contacts, 1000),
      over,
    );

    const other = await insertTenantFixture(pool, {
      ports: 20,
      template: 'routed',
      pbxTrunk: 'via-admin',
      ...message,
    });
    const routedNumbers = Object.keys(ROUTED).flatMap((code) => numbersFor(code, 2, 2000));
    campaigns.routed = await insertCampaignFixture(pool, other, routedNumbers, {
      ...rules,
      callerId: '+12125550101',
    });
    for (const [name, pbxTrunk] of [
      ['routedNowhere', 'via-nowhere'],
      ['noContext', 'via-none'],
    ] as const) {
      const trunk = await insertTrunkFixture(pool, other, { pbxTrunk, template: 'routed' });
      campaigns[name] = await insertCampaignFixture(pool, trunk, numbersFor('200', 2, 3000), rules);
    }

    await line.start();
    await untilCompleted(pool, Object.values(campaigns), 150);

    // What was heard by somebody who hung up may be written down after the end of the call.
    const heard = `SELECT FROM attempts WHERE answered_at IS NOT NULL AND heard_seconds IS NULL`;
    await until(async () => (await pool.query(heard)).rowCount === 0, { timeoutMs: 10_000 });
    calls = await line.farEnd.calls();
    attempts = [
      ...(await attemptsOf(pool, campaigns.direct)),
      ...(await attemptsOf(pool, campaigns.nowhere)),
    ];
    contacts = [
      ...(await contactsOf(pool, campaigns.direct)),
      ...(await contactsOf(pool, campaigns.nowhere)),
    ];
    routed = await attemptsOf(pool, campaigns.routed);
  });
  afterAll(() => line.stop());

  /** What is known of a contact in the end, next to what its kind says. */
  function compare(kinds: Record<string, Kind>, contact: ContactRow, tries: AttemptRow[]) {
    const known = kinds[codeOf(contact)]!;
    const expected = {
      number: contact.number,
      state: known.state,
      attempts: known.attempts,
      tries: Array.from({ length: known.attempts }, () => known.disposition),
    };
    const { number, state, attempts } = contact;
    return { expected, found: { number, state, attempts, tries: tries.map((a) => a.disposition) } };
  }

  function expectAsTheKindsSay(kinds: Record<string, Kind>, of: ContactRow[], all: AttemptRow[]): void {
    const tries = groupBy(all, (a) => a.number);
    const compared = of.map((contact) => compare(kinds, contact, tries.get(contact.number) ?? []));
    expect(compared.map((c) => c.found)).toEqual(compared.map((c) => c.expected));
    const wrong = all.filter((a) => {
      const { sip, hungUpBy } = kinds[codeOf(a)]!;
      return !sip.includes(a.sip_status) || !hungUpBy.includes(a.hung_up_by);
    });
    expect(wrong).toEqual([]);
  }

  const numbersOfKind = (from: AttemptRow[], ...codes: string[]) =>
    from.filter((a) => codes.includes(codeOf(a)));

  /** Attempts that the far end answered. */
  const answered = (...codes: string[]) =>
    numbersOfKind([...attempts, ...routed], ...codes).filter((a) => a.pbx_trunk !== 'nowhere');

  /** The far end's view of an attempt: the call of the same ordinal to that number. */
  function farEndOf({ number, ordinal }: AttemptRow): FarEndCall {
    return calls.filter((call) => call.number === number)[ordinal - 1]!;
  }

  it('end, each contact and each attempt, as the far end dictates', () => {
    expect(contacts).toHaveLength(300);
    const somewhere = (row: { number: string }) => !numbersFor('200', 5, 1000).includes(row.number);
    expectAsTheKindsSay(KINDS, contacts.filter(somewhere), attempts.filter(somewhere));
  });

  it('are unreachable through a trunk that does not exist', async () => {
    const { pool } = line.database;
    const of = await contactsOf(pool, campaigns.nowhere);
    expect(of).toHaveLength(NOWHERE.contacts);
    expectAsTheKindsSay({ 200: NOWHERE }, of, await attemptsOf(pool, campaigns.nowhere));
  });

  it('are called as often as the database says, and never more than the ports at once', () => {
    const seen = Object.fromEntries(
      [...groupBy(calls, (call) => call.number)].map(([number, of]) => [number, of.length]),
    );
    const known = [...attempts, ...routed].filter((a) => a.pbx_trunk !== 'nowhere');
    const counted = Object.fromEntries(
      [...groupBy(known, (a) => a.number)].map(([number, of]) => [number, of.length]),
    );
    expect(seen).toEqual(counted);

    expect(mostOpen(attempts)).toBe(PORTS);
    const mine = calls.filter((call) => call.from === '+12125550100');
    // Of a call that never got a response Asterisk cannot take leave: there is nothing yet that a CANCEL could be for.
    const ended = mine.map((call) =>
      codeOf(call) === '999' ? { ...call, endedAt: call.invitedAt + RING_SECONDS * 1000 } : call,
    );
    // See maxConcurrent: CANCEL and BYE of our own side come later here than Asterisk freed the port.
    expect(maxConcurrent(ended, { slackMs: 300 })).toBeLessThanOrEqual(PORTS);
    const theirs = ended.filter((call) => !['200', '202', '205', '180', '183', '999'].includes(codeOf(call)));
    expect(maxConcurrent(theirs)).toBeLessThanOrEqual(PORTS);
  });

  it('are counted as they are', async () => {
    for (const id of Object.values(campaigns)) {
      const { kept, counted } = await countersOf(line.database.pool, id);
      expect(kept).toEqual(counted);
    }
  });

  it('tell how long they rang', () => {
    for (const a of numbersOfKind([...attempts, ...routed], '180', '183', '999')) {
      // WaitTime ends the ringing; Asterisk looks at it when it next wakes, and the machine may be busy. A routed call
      // is timed from when it comes to the dialplan, WaitTime from when its channels are made.
      expect(a.ring_seconds).toBeGreaterThanOrEqual(a.dial_status ? RING_SECONDS - 0.3 : RING_SECONDS);
      expect(a.ring_seconds).toBeLessThan(RING_SECONDS + 0.5);
      expect(a.talk_seconds).toBe(0);
    }
    for (const a of answered('200', '201', '202', '203', '205')) {
      const { invitedAt, answeredAt } = farEndOf(a);
      const rang = (answeredAt! - invitedAt) / 1000;
      // Asterisk counts from the channel's creation, the far end from the INVITE; a routed call has two channels first.
      expect(Math.abs(a.ring_seconds! - rang)).toBeLessThan(0.3);
      if (codeOf(a) === '202') expect(a.ring_seconds).toBeGreaterThanOrEqual(LATE_SECONDS);
    }
  });

  it('tell how long they talked, what they heard and which key they pressed', () => {
    for (const a of answered('200', '201', '202', '203', '205')) {
      const { answeredAt, endedAt } = farEndOf(a);
      const talked = (endedAt! - answeredAt!) / 1000;
      // The hangup handler runs before the BYE of our own side leaves.
      expect(Math.abs(a.talk_seconds! - talked)).toBeLessThan(0.5);
      expect(a.answered_at).not.toBeNull();
      expect(a.heard_seconds).toBeGreaterThan(0);
      // Where Asterisk does not know how much was played (answered.ts) it is as long as it took to learn of the hangup.
      expect(a.heard_seconds).toBeLessThan(talked + 0.5);
      expect(a.key).toBe(codeOf(a) === '205' ? '5' : null);
    }
    for (const a of answered('200', '202')) {
      expect(a.heard_seconds).toBeCloseTo(MESSAGE_SECONDS, 2);
      // Asterisk's clock begins a moment after the answer.
      expect(a.talk_seconds).toBeGreaterThan(MESSAGE_SECONDS - 0.02);
    }
    for (const a of answered('205')) {
      // The key is pressed a second after the answer and recognised when it is let go.
      expect(a.heard_seconds).toBeLessThan(MESSAGE_SECONDS);
      expect(a.talk_seconds).toBeGreaterThanOrEqual(1);
    }
    const unanswered = attempts.filter((a) => a.disposition !== 'answered');
    expect(unanswered.filter((a) => a.heard_seconds !== null || a.answered_at !== null)).toEqual([]);
  });

  it('end the same through the own dialplan of an admin', async () => {
    const { pool } = line.database;
    expectAsTheKindsSay(ROUTED, await contactsOf(pool, campaigns.routed), routed);
    for (const id of [campaigns.routedNowhere, campaigns.noContext]) {
      const tries = await attemptsOf(pool, id);
      expect(tries.map((a) => [a.disposition, a.hung_up_by])).toEqual(Array(4).fill(['unreachable', 'pbx']));
    }
  });

  it('leave nothing behind', async () => {
    const { rows } = await line.database.pool.query(`SELECT FROM attempts WHERE state = 'open'`);
    expect(rows).toEqual([]);
    await expect.poll(() => filesOfOurs(line.asterisk)).toEqual({});
  });
});
