import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { MachineVerdict } from '../../src/calls/machine.js';
import { registerNode } from '../../src/db/nodes.js';
import {
  type CallNote,
  findAttemptStates,
  listOpenAttempts,
  noteCalls,
  releaseAttempts,
} from '../../src/db/open-attempts.js';
import type { ClaimedCall } from '../../src/scheduler/claim.js';
import { countersOf, insertCampaignFixture, insertTenantFixture, numbersFor } from '../support/campaigns.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { claimInTurn, finishInTurn } from '../support/turns.js';

let database: TestDatabase;
let campaign: string;
const node = { name: 'a', ports: 100, callsPerSecond: null, templates: ['direct'] };

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  await database.pool.query('TRUNCATE tenants, contacts, nodes, pbx_trunks, pace CASCADE');
  await registerNode(database.pool, node);
});

async function dial(
  count: number,
  options: Parameters<typeof insertCampaignFixture>[3] = {},
): Promise<ClaimedCall[]> {
  const tenant = await insertTenantFixture(database.pool);
  campaign = await insertCampaignFixture(database.pool, tenant, numbersFor('486', count), options);
  return (await claimInTurn(database.pool, node, async () => {})).calls;
}

const report = (sipStatus: number, hangupCause: number) => ({
  hangupCause,
  sipStatus,
  dialStatus: null,
  hungUpBy: 'pbx' as const,
  ringSeconds: 1.5,
  talkSeconds: 0,
});
const note = (callId: string, hangup: ReturnType<typeof report>) => ({
  callId,
  answeredAt: null,
  heardSeconds: null,
  key: null,
  hangup,
});
const expired = (call: ClaimedCall) => ({ callId: call.callId, archiveStatus: 'Expired' as const });

describe('finishing attempts', () => {
  it('decides by what the hangup handler reported, and retries by the campaign rules', async () => {
    const [call] = await dial(1, { retry: { busy: '10s' } });
    await noteCalls(database.pool, 'a', [note(call!.callId, report(486, 17))]);
    const [finished] = await finishInTurn(database.pool, [expired(call!)]);
    expect(finished).toMatchObject({ disposition: 'busy', contactState: 'retrying' });
    const { rows } = await database.pool.query(
      'SELECT state, ended_as, extract(epoch FROM due_at - updated_at)::integer AS delay FROM contacts',
    );
    expect(rows).toEqual([{ state: 'retrying', ended_as: { busy: 1 }, delay: 10 }]);
    const attempt = (await database.pool.query('SELECT * FROM attempts')).rows[0];
    expect(attempt).toMatchObject({
      state: 'ended',
      disposition: 'busy',
      sip_status: 486,
      ring_seconds: 1.5,
    });
  });

  it('leaves a call open whose report may yet come, until it has come', async () => {
    const [call] = await dial(1);
    const ending = { ...expired(call!), reportMayCome: true };
    expect(await finishInTurn(database.pool, [ending])).toEqual([]);
    await noteCalls(database.pool, 'a', [note(call!.callId, report(486, 17))]);
    expect(await finishInTurn(database.pool, [ending])).toMatchObject([{ disposition: 'busy' }]);
  });

  it('takes what was heard after the end, and nothing else', async () => {
    const [call] = await dial(1);
    await finishInTurn(database.pool, [{ callId: call!.callId, archiveStatus: 'Completed' }]);
    const heard = { ...note(call!.callId, report(486, 17)), hangup: null, heardSeconds: 1.5, key: '5' };
    await noteCalls(database.pool, 'a', [note(call!.callId, report(486, 17))]);
    await noteCalls(database.pool, 'a', [heard]);
    await noteCalls(database.pool, 'a', [{ ...heard, heardSeconds: 9 }]);
    const attempt = (await database.pool.query('SELECT * FROM attempts')).rows[0];
    expect(attempt).toMatchObject({
      disposition: 'answered',
      heard_seconds: 1.5,
      key: '5',
      sip_status: null,
    });
  });

  it('ends the contact when the rule is used up, and completes the campaign with its last contact', async () => {
    const calls = await dial(2, { retry: { busy: '0s' }, maxAttempts: 2 });
    await noteCalls(
      database.pool,
      'a',
      calls.map((c) => note(c.callId, report(486, 17))),
    );
    await finishInTurn(database.pool, calls.map(expired));
    const again = (await claimInTurn(database.pool, node, async () => {})).calls;
    expect(again).toHaveLength(2);
    await noteCalls(
      database.pool,
      'a',
      again.map((c) => note(c.callId, report(486, 17))),
    );
    await finishInTurn(database.pool, again.map(expired));
    const { kept, counted } = await countersOf(database.pool, campaign);
    expect(kept).toMatchObject({ busy: 2, attempts: 4 });
    expect(kept).toEqual(counted);
    const { rows } = await database.pool.query('SELECT status, ended_at FROM campaigns');
    expect(rows[0]).toMatchObject({ status: 'completed', ended_at: expect.any(Date) });
  });

  it('finishes an attempt only once, however often and from wherever it is told', async () => {
    const calls = await dial(5, { retry: { unreachable: '1h*5' } });
    const endings = calls.map(expired);
    const finished = await Promise.all([
      finishInTurn(database.pool, endings),
      finishInTurn(database.pool, endings),
      finishInTurn(database.pool, endings.slice().reverse()),
    ]);
    expect(finished.flat()).toHaveLength(5);
    const { kept, counted } = await countersOf(database.pool, campaign);
    expect(kept).toMatchObject({ retrying: 5, calling: 0, attempts: 5 });
    expect(kept).toEqual(counted);
  });

  it('takes a lost call for answered when FastAGI saw the answer', async () => {
    const [one, two] = await dial(2);
    await noteCalls(database.pool, 'a', [
      { callId: one!.callId, answeredAt: new Date(), heardSeconds: null, key: null, hangup: null },
    ]);
    const finished = await finishInTurn(
      database.pool,
      [one!, two!].map((c) => ({ callId: c.callId, archiveStatus: null, as: 'lost' as const })),
    );
    expect(new Map(finished.map((f) => [f.callId, f.disposition]))).toEqual(
      new Map([
        [one!.callId, 'answered'],
        [two!.callId, 'lost'],
      ]),
    );
  });

  it('lets the calls of a cancelled campaign end, without a retry', async () => {
    const calls = await dial(2, { retry: { busy: '1m' } });
    await database.pool.query("UPDATE campaigns SET status = 'cancelled'");
    await noteCalls(database.pool, 'a', [note(calls[0]!.callId, report(486, 17))]);
    await finishInTurn(database.pool, [
      expired(calls[0]!),
      { callId: calls[1]!.callId, archiveStatus: 'Completed' },
    ]);
    expect((await countersOf(database.pool, campaign)).kept).toMatchObject({ cancelled: 1, answered: 1 });
  });

  it('knows nothing of calls that are none', async () => {
    expect(await finishInTurn(database.pool, [{ callId: 'x', archiveStatus: null }])).toEqual([]);
    expect(await finishInTurn(database.pool, [])).toEqual([]);
  });
});

describe('a call that a machine took', () => {
  const verdict = (over: Partial<MachineVerdict> = {}): MachineVerdict => ({
    status: 'machine',
    cause: 'LONGGREETING',
    measured: 1500,
    limit: 1500,
    after_ms: 1900,
    action: 'hang_up',
    beep_after_ms: null,
    beep: null,
    ...over,
  });

  async function over(...notes: Partial<CallNote>[]) {
    const [call] = await dial(1, { retry: { machine: '1h' } });
    const { callId } = call!;
    for (const more of notes)
      await noteCalls(database.pool, 'a', [{ callId, answeredAt: new Date(), ...more }]);
    const [finished] = await finishInTurn(database.pool, [{ callId, archiveStatus: 'Completed' }]);
    const { rows } = await database.pool.query('SELECT silent, machine FROM attempts');
    return { ...finished!, ...rows[0] };
  }

  it('ends as machine, is tried again by that rule, and was not called in silence', async () => {
    expect(await over({ machine: verdict() }, { heardSeconds: 0 })).toMatchObject({
      disposition: 'machine',
      contactState: 'retrying',
      silent: false,
      machine: verdict(),
    });
  });

  it('was called in silence where nobody said a word', async () => {
    const machine = verdict({ cause: 'INITIALSILENCE' });
    expect(await over({ machine }, { heardSeconds: 0 })).toMatchObject({
      disposition: 'machine',
      silent: true,
    });
    await database.pool.query('TRUNCATE contacts, campaigns CASCADE');
    expect(await over({ machine }, { heardSeconds: 2 })).toMatchObject({ silent: false });
  });

  it.each(['person', 'unsure', 'hung_up'] as const)('ends as answered when it was %s', async (status) => {
    const { disposition, contactState } = await over({ machine: verdict({ status, action: null }) });
    expect({ disposition, contactState }).toEqual({ disposition: 'answered', contactState: 'answered' });
  });

  it('ends as answered when a key was pressed: a machine has no fingers', async () => {
    expect(await over({ machine: verdict() }, { key: '1', heardSeconds: 2 })).toMatchObject({
      disposition: 'answered',
      contactState: 'answered',
    });
  });

  it('has what becomes known later added, after its end too', async () => {
    const { callId } = await over({ machine: verdict({ action: 'leave_message' }) });
    await noteCalls(database.pool, 'a', [{ callId, machine: { beep: 'over', beep_after_ms: 7000 } }]);
    const { rows } = await database.pool.query('SELECT machine, disposition FROM attempts');
    expect(rows).toEqual([
      {
        disposition: 'machine',
        machine: verdict({ action: 'leave_message', beep: 'over', beep_after_ms: 7000 }),
      },
    ]);
  });

  it('counts as machine where no rule tries again', async () => {
    const [call] = await dial(1);
    const { callId } = call!;
    await noteCalls(database.pool, 'a', [{ callId, answeredAt: new Date(), machine: verdict() }]);
    await finishInTurn(database.pool, [{ callId, archiveStatus: 'Completed' }]);
    const { kept, counted } = await countersOf(database.pool, campaign);
    expect(kept).toMatchObject({ machine: 1, answered: 0 });
    expect(kept).toEqual(counted);
  });
});

describe('what is noted of a call', () => {
  it('is kept only while its attempt is open on that node', async () => {
    const [call] = await dial(1);
    const key = { callId: call!.callId, answeredAt: null, heardSeconds: 2.5, key: '5', hangup: null };
    expect((await noteCalls(database.pool, 'b', [key])).size).toBe(0);
    expect((await noteCalls(database.pool, 'a', [key])).size).toBe(1);
    await finishInTurn(database.pool, [expired(call!)]);
    expect((await noteCalls(database.pool, 'a', [{ ...key, key: '6' }])).size).toBe(0);
    const { rows } = await database.pool.query('SELECT key, heard_seconds FROM attempts');
    expect(rows).toEqual([{ key: '5', heard_seconds: 2.5 }]);
  });
});

describe('releasing claims whose calls were never placed', () => {
  it('makes the contacts due as before, frees the ports and leaves no attempt', async () => {
    const calls = await dial(3);
    await releaseAttempts(
      database.pool,
      calls.slice(0, 2).map((c) => c.callId),
    );
    const { kept, counted } = await countersOf(database.pool, campaign);
    expect(kept).toMatchObject({ pending: 2, calling: 1, attempts: 1 });
    expect(kept).toEqual(counted);
    expect((await listOpenAttempts(database.pool, 'a')).map((a) => a.callId)).toEqual([calls[2]!.callId]);
    expect(
      (
        await findAttemptStates(
          database.pool,
          calls.map((c) => c.callId),
        )
      ).size,
    ).toBe(1);
    expect((await claimInTurn(database.pool, node, async () => {})).calls).toHaveLength(2);
  });

  it('cancels the contacts of a campaign that was cancelled meanwhile', async () => {
    const calls = await dial(1);
    await database.pool.query("UPDATE campaigns SET status = 'cancelled'");
    await releaseAttempts(database.pool, [calls[0]!.callId]);
    expect((await countersOf(database.pool, campaign)).kept).toMatchObject({ cancelled: 1, attempts: 0 });
  });
});
