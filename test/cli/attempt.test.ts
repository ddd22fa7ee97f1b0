import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { AMD_DEFAULTS, BEEP_DEFAULTS } from '../../src/calls/machine.js';
import { attempt } from '../../src/cli/attempt.js';
import { newId } from '../../src/ids.js';
import type { Running } from '../../src/main.js';
import { toneWav } from '../../src/messages/tone.js';
import {
  attemptsOf,
  insertCampaignFixture,
  insertFlowFixture,
  insertTenantFixture,
  type TenantFixture,
  untilCompleted,
} from '../support/campaigns.js';
import { insertDestination } from '../support/flows.js';
import { type SandboxLine, startSandboxLine } from '../support/sandbox-line.js';
import { usePrinted } from './printed.js';

const number = (code: string, area = '212') => `+1${area}55501${code}`;
/** Kinds of calls by the last digits of their test numbers: what is told of why they ended. */
const KINDS = {
  '00': 'ended as answered: somebody answered',
  30: 'ended as busy: the far end said SIP 486 Busy Here',
  31: /ended as no_answer: nobody answered within the \d+\.\d s that it rang/,
  32: 'ended as no_answer: the far end said SIP 480 Temporarily Unavailable',
  33: 'ended as rejected: the far end said SIP 603 Decline',
  34: 'ended as invalid_number: the far end said SIP 404 Not Found',
  50: 'ended as congestion: the far end said SIP 503 Service Unavailable',
  51: 'ended as unreachable: the carrier did not answer: not one SIP response came',
  52: "ended as unreachable: the carrier does not take the trunk's user or password (SIP 401)",
  53: 'ended as failed: the far end said SIP 488 Not Acceptable Here',
} as const;

describe('campanile attempt', () => {
  let line: SandboxLine;
  let campanile: Running;
  let tenant: TenantFixture;
  const printed = usePrinted();

  beforeAll(async () => {
    line = await startSandboxLine();
    campanile = await line.start();
    tenant = await insertTenantFixture(line.database.pool, { audio: toneWav(3) });
  }, 60_000);
  afterAll(() => line?.stop());
  beforeEach(() => {
    const { config } = line;
    vi.stubEnv('DATABASE_URL', config.databaseUrl!);
    vi.stubEnv('CAMPANILE_DATA', config.dataDir);
    vi.stubEnv('CAMPANILE_NODE', config.nodeName);
    vi.stubEnv('CAMPANILE_SPOOL', config.spoolDir);
  });

  async function told(id: string, ...more: string[]): Promise<string> {
    printed.clear();
    expect(await attempt([id, ...more])).toBe(0);
    return printed.text();
  }
  const insert = (numbers: string[], more: Parameters<typeof insertCampaignFixture>[3] = {}) =>
    insertCampaignFixture(line.database.pool, tenant, numbers, { test: true, ...more });
  const completed = (...ids: string[]) => untilCompleted(line.database.pool, ids, 40);
  const attempts = (id: string) => attemptsOf(line.database.pool, id);
  /** What stands behind the times. */
  const happened = (text: string) =>
    [
      ...text.matchAll(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{3})?Z {3,}(?:[+-][\d.]+ s)? {2,}(\S.*)$/gm),
    ].map(([, what]) => what);

  it('tells of each kind of end why it was', async () => {
    const id = await insert(
      Object.keys(KINDS).map((code) => number(code)),
      { ringSeconds: 5 },
    );
    await completed(id);
    for (const { id: attemptId, number: called, disposition } of await attempts(id)) {
      const text = await told(attemptId);
      const kind = KINDS[called.slice(-2) as keyof typeof KINDS];
      expect(text).toContain(`attempt ${attemptId} ended as ${disposition}`);
      expect(happened(text).find((what) => what!.startsWith('ended as'))).toMatch(kind);
    }
  });

  it('tells of a flow what was played, pressed, recorded and passed on, to the webhook too', async () => {
    const { pool } = line.database;
    const made = await line.send(campanile, tenant.tenantId, 'POST', '/v1/webhooks', {
      url: `http://127.0.0.1:${campanile.apiPort}/nobody`,
      events: ['attempt.ended'],
    });
    expect(made.status).toBe(201);
    const destination = await insertDestination(pool, tenant, { kind: 'queue', target: 'staff', ports: 5 });
    const flowId = await insertFlowFixture(pool, tenant, {
      start: 'ask',
      steps: {
        ask: {
          type: 'menu',
          prompt: [{ message: tenant.messageId }],
          keys: { 4: 'words' },
          save_as: 'reply',
        },
        words: { type: 'record', save_as: 'words', next: 'staff' },
        staff: { type: 'transfer', destination, next: 'end' },
        end: { type: 'play', message: tenant.messageId },
      },
    });
    const id = await insert([number('04')], { flowId });
    await completed(id);
    const [one] = await attempts(id);
    await vi.waitFor(async () => expect(await told(one!.id)).toContain('not delivered yet'), {
      timeout: 10_000,
    });
    const text = await told(one!.id);
    expect(happened(text)).toEqual([
      'due',
      'claimed by node pbx-1/test, on trunk "trunk"',
      'call file placed',
      'Asterisk began the call',
      expect.stringMatching(/^answered after ringing for 0\.\d s$/),
      expect.stringMatching(/^menu "ask" played \d\.\d s, heard key 4$/),
      'record "words" recorded 3.0 s',
      expect.stringMatching(/^recording of "words" stored, 3\.0 s: /),
      'transfer "staff" to queue "staff" took a port',
      'transfer "staff" ended: connected',
      'play "end" played 3.0 s, heard key 4',
      expect.stringMatching(/^hung up by Campanile \(SIP 200 OK, cause 16 \(normal clearing\)\)$/),
      'ended as answered: somebody answered; its port was free again',
      expect.stringMatching(
        /^event attempt.ended to webhook .*: not delivered yet \(1 attempt: the receiver answered 40\d, not 2xx\)$/,
      ),
    ]);
    expect(text).toMatch(/^waited for its turn {4}\d/m);
    expect(text).toMatch(/^held its port {10}\d/m);
    expect(text).toContain('next: none: the contact has ended as answered.');
    const json = JSON.parse(await told(one!.id, '--json'));
    expect(json).toMatchObject({
      id: one!.id,
      disposition: 'answered',
      contact: { state: 'answered' },
      answers: { reply: '4' },
    });
  });

  it('tells who answered where machines are told from persons', async () => {
    const machineDetection = {
      ...AMD_DEFAULTS,
      ...BEEP_DEFAULTS,
      action: 'leave_message' as const,
      message_id: tenant.messageId,
    };
    const id = await insert([number('40')], { machineDetection });
    await completed(id);
    const text = await told((await attempts(id))[0]!.id);
    expect(happened(text)).toContainEqual(
      expect.stringMatching(
        /^a machine, by AMD after \d\.\d s \(\w+\); to be left a message; greeting and beep over \d\.\d s later$/,
      ),
    );
    expect(text).toContain('ended as machine: a machine answered;');
  });

  it('tells of a retry what is planned, and then the other attempts in a line each', async () => {
    const id = await insert([number('60')], { retry: { busy: '1h' }, maxAttempts: 3 });
    const first = await vi.waitFor(async () => {
      const [one] = await attempts(id);
      expect(one).toMatchObject({ disposition: 'busy' });
      return one!;
    }, 10_000);
    expect(await told(first.id)).toMatch(
      /^next: the contact is due again at \d{4}-\d\d-\d\d [\d:.]+Z, in (1 h|59 min \d+ s)\.$/m,
    );
    await line.database.pool.query("UPDATE campaigns SET status = 'paused' WHERE id = $1", [id]);
    expect(await told(first.id)).toContain('; but its campaign is paused.');
    await line.database.pool.query('UPDATE contacts SET due_at = now() WHERE campaign_id = $1', [id]);
    await line.database.pool.query("UPDATE campaigns SET status = 'running' WHERE id = $1", [id]);
    await line.database.pool.query(`SELECT pg_notify('campanile_due', '')`);
    await completed(id);
    const [, second] = await attempts(id);
    const text = await told(first.id);
    expect(text).toContain(`next: the contact was tried again: attempt 2, ${second!.id}.`);
    expect(text).toMatch(
      new RegExp(`^  attempt 2  ${second!.id}  \\d{4}-.*Z  answered after \\d+\\.\\d s$`, 'm'),
    );
    expect(await told(second!.id)).toMatch(new RegExp(`^  attempt 1  ${first.id}  .* busy after`, 'm'));
  });

  it('tells of one that is open where its file is, and when Asterisk began it', async () => {
    const id = await insert([number('31', '213')], { ringSeconds: 60 });
    const open = await vi.waitFor(async () => {
      const [one] = await attempts(id);
      expect(await told(one!.id)).toContain('its call is in progress');
      return one!;
    }, 10_000);
    const text = await told(`/var/spool/asterisk/outgoing/${open.tenant_id}.${open.id}.call`);
    expect(text).toContain(`attempt ${open.id} is open`);
    expect(happened(text)).toEqual(['due', expect.stringMatching(/^claimed by/), 'Asterisk began the call']);
    expect(text).toContain('next: it is open: its port is held until it ends.');
    vi.stubEnv('CAMPANILE_NODE', 'pbx-2');
    expect(await told(open.id)).toContain('its call file is on another machine');
    await completed(id);
  });

  it('tells what was lost, withdrawn, unreadable, or never answered by a channel', async () => {
    const id = await insert([number('30', '218')]);
    await completed(id);
    const [one] = await attempts(id);
    const change = (set: string) =>
      line.database.pool.query(`UPDATE attempts SET ${set} WHERE id = $1`, [one!.id]);
    const none = 'hangup_at = NULL, sip_status = NULL, hangup_cause = NULL';
    const cases = [
      [
        `disposition = 'lost', archive_status = NULL, ${none}`,
        'Asterisk began the call and never told how it ended',
      ],
      ['begun_at = NULL', 'its call file was gone before anybody knew'],
      ["disposition = 'cancelled'", 'its campaign was cancelled before Asterisk began the call'],
      ["disposition = 'unreachable', archive_status = 'Expired'", 'it knows no PBX trunk "far"'],
      ["disposition = 'failed', archive_status = 'Failed'", 'Asterisk could not read its call file'],
      [
        "archive_status = NULL, dial_status = 'CHANUNAVAIL'",
        'the dialplan of the PBX said DIALSTATUS CHANUNAVAIL',
      ],
      ['dial_status = NULL, hangup_cause = 38', 'the far end said cause 38 (network out of order)'],
      ['hangup_cause = NULL', 'nobody told why'],
    ];
    for (const [set, why] of cases) {
      await change(set!);
      expect(await told(one!.id)).toContain(why);
    }
  });

  it('lets no name of a tenant reach the terminal as more than letters, and names nobody who was erased', async () => {
    const { pool } = line.database;
    const evil = await insertTenantFixture(pool, { audio: toneWav(3) });
    await pool.query('UPDATE tenants SET name = $2 WHERE id = $1', [
      evil.tenantId,
      'A\x1b[2J\x9b31m\u202eB\r\nattempt',
    ]);
    const id = await insertCampaignFixture(pool, evil, [number('30', '219')], { test: true });
    await completed(id);
    const [one] = await attempts(id);
    const text = await told(one!.id);
    expect(text).toContain('A\ufffd[2J\ufffd31m\ufffdB\ufffd\ufffdattempt');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are meant
    expect(text.replaceAll('\n', '')).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202e]/);
    await pool.query("UPDATE attempts SET number = 'erased ' || contact_id WHERE id = $1", [one!.id]);
    expect(await told(one!.id)).toContain('a person who was erased');
  });

  it('says what is wrong with an id, or with the database, and no password', async () => {
    await expect(attempt([])).rejects.toThrow('name one attempt');
    await expect(attempt(['a', 'b'])).rejects.toThrow('name one attempt');
    await expect(attempt(['hospital\x1b[2J'])).rejects.toThrow(
      '"hospital\\u001b[2J" is not the id of an attempt',
    );
    const unknown = newId();
    await expect(attempt([unknown])).rejects.toThrow(`there is no attempt ${unknown}: it was released`);
    vi.stubEnv('DATABASE_URL', 'postgres://me:s3cret@127.0.0.1:9/campanile');
    const away = await attempt([unknown]).catch((error: Error) => error);
    expect((away as Error).message).toMatch(/^cannot read the database: .*; run "campanile doctor"/);
    expect(JSON.stringify(away)).not.toContain('s3cret');
    expect((away as Error).message).not.toContain('s3cret');
    vi.stubEnv('DATABASE_URL', '');
    vi.stubEnv('CAMPANILE_DATA', '/nowhere/campanile');
    await expect(attempt([unknown])).rejects.toThrow('there is no database in /nowhere/campanile');
    expect(printed.text()).toBe('');
  });
});
