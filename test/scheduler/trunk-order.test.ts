import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SipAccount } from '../../src/calls/sip-account.js';
import { registerNode } from '../../src/db/nodes.js';
import { releaseAttempts } from '../../src/db/open-attempts.js';
import { transaction } from '../../src/db/pool.js';
import { insertSipAccount, saveAccountStates } from '../../src/db/sip-accounts.js';
import { setTrunkOrder } from '../../src/db/trunk-order.js';
import type { ClaimedCall } from '../../src/scheduler/claim.js';
import {
  attemptsOf,
  contactsOf,
  countersOf,
  insertCampaignFixture,
  insertTenantFixture,
  insertTrunkFixture,
  numbersFor,
  type TenantFixture,
} from '../support/campaigns.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { endedWith } from '../support/endings.js';
import { claimInTurn, finishInTurn } from '../support/turns.js';

let database: TestDatabase;
let tenant: TenantFixture;
let first: string;
let second: string;
const node = { name: 'a', ports: 100, callsPerSecond: null, templates: ['direct'] };

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  await database.pool.query('TRUNCATE tenants, contacts, nodes, pbx_trunks, pace CASCADE');
  await registerNode(database.pool, node);
  await registerNode(database.pool, { ...node, name: 'b' });
  tenant = await insertTenantFixture(database.pool, { pbxTrunk: 'first' });
  first = tenant.trunkId;
  second = (await insertTrunkFixture(database.pool, tenant, { pbxTrunk: 'second' })).trunkId;
});

type CampaignOptions = Parameters<typeof insertCampaignFixture>[3];
const campaignOf = (count: number, options: CampaignOptions = {}) =>
  insertCampaignFixture(database.pool, tenant, numbersFor('503', count), {
    trunkIds: [first, second],
    ...options,
  });
const claim = (over: Partial<typeof node> = {}) =>
  claimInTurn(database.pool, { ...node, ...over }, async () => {});
const dial = async (over: Partial<typeof node> = {}) => (await claim(over)).calls;
const end = (calls: readonly ClaimedCall[], sipStatus: number) =>
  finishInTurn(
    database.pool,
    calls.map((call) => endedWith(call, sipStatus)),
  );
/** How many of the calls go out on each PBX trunk. */
function byTrunk(calls: readonly ClaimedCall[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { pbxTrunk } of calls) counts[pbxTrunk] = (counts[pbxTrunk] ?? 0) + 1;
  return counts;
}
const setTrunk = (id: string, what: string) =>
  database.pool.query(`UPDATE trunks SET ${what} WHERE id = $1`, [id]);
const rest = (id: string, until: string) =>
  setTrunk(id, `resting_since = now(), resting_until = now() + interval '${until}', resting_reason = 'why'`);

describe('a call that a trunk could not place', () => {
  it.each([
    [503, 'congestion'],
    [0, 'unreachable'],
  ])(
    'after SIP %i is tried at once on the next trunk, as an attempt of its own',
    async (sip, disposition) => {
      const campaign = await campaignOf(2, { maxAttempts: 1 });
      const calls = await dial();
      expect(byTrunk(calls)).toEqual({ first: 2 });
      expect((await end(calls, sip)).map((e) => e.contactState)).toEqual(['retrying', 'retrying']);
      const again = await dial();
      expect(byTrunk(again)).toEqual({ second: 2 });
      await end(again, 200);
      const attempts = (await attemptsOf(database.pool, campaign)).map((a) => [a.ordinal, a.disposition]);
      const both = [
        [1, disposition],
        [2, 'answered'],
      ];
      expect(attempts).toEqual([...both, ...both]);
      const { kept, counted } = await countersOf(database.pool, campaign);
      expect(kept).toEqual(counted);
      expect(kept).toMatchObject({ answered: 2, attempts: 4 });
    },
  );

  it('stays on its trunk when the callee did not want it', async () => {
    await campaignOf(1, { retry: { busy: '0s' } });
    await end(await dial(), 486);
    expect(byTrunk(await dial())).toEqual({ first: 1 });
  });

  it('is retried from the first by the rule, as one attempt, when the last has failed', async () => {
    const campaign = await campaignOf(1, { retry: { congestion: '1h*9' }, maxAttempts: 2 });
    for (let round = 0; round < 2; round++) {
      for (const trunk of ['first', 'second']) {
        const calls = await dial();
        expect(byTrunk(calls)).toEqual({ [trunk]: 1 });
        await end(calls, 503);
      }
      expect(await dial()).toEqual([]);
      await database.pool.query('UPDATE contacts SET due_at = now()');
    }
    expect(await contactsOf(database.pool, campaign)).toMatchObject([{ state: 'failed', attempts: 4 }]);
    expect((await contactsOf(database.pool, campaign))[0]).toMatchObject({
      ended_as: { congestion: 2, failed_over: 2 },
    });
  });

  it('keeps nobody behind it whom the first trunk can take', async () => {
    await setTrunk(first, 'ports = 2');
    await setTrunk(second, 'ports = 1');
    await campaignOf(10);
    for (let i = 0; i < 3; i++) {
      const calls = await dial();
      // What fails over goes first where it can, and the first trunk is never idle for it.
      expect(byTrunk(calls)).toMatchObject({ first: 2 });
      await end(
        calls.filter((c) => c.pbxTrunk === 'first'),
        503,
      );
    }
    const { rows } = await database.pool.query(
      `SELECT count(*)::integer AS n FROM contacts WHERE state = 'retrying' AND trunk_from = 2`,
    );
    expect(rows[0].n).toBeGreaterThanOrEqual(5);
    await setTrunk(second, 'ports = 50');
    const calls = await dial();
    expect(byTrunk(calls).second).toBeGreaterThanOrEqual(rows[0].n);
  });

  it('goes before those who have not been called yet', async () => {
    await setTrunk(first, 'ports = 1');
    await setTrunk(second, 'ports = 0');
    await campaignOf(5);
    const [failed] = await dial();
    await end([failed!], 503);
    await setTrunk(first, 'ports = 0');
    await setTrunk(second, 'ports = 1');
    expect((await dial()).map((call) => call.number)).toEqual([failed!.number]);
  });

  it('begins from the first again when the order is changed', async () => {
    const campaign = await campaignOf(3);
    await end(await dial(), 503);
    await transaction(database.pool, (tx) => setTrunkOrder(tx, tenant.tenantId, campaign, [first]));
    const calls = await dial();
    expect(byTrunk(calls)).toEqual({ first: 3 });
    await transaction(database.pool, (tx) => setTrunkOrder(tx, tenant.tenantId, campaign, [second, first]));
    // They end on what is the last now.
    expect((await end(calls, 503)).map((e) => e.contactState)).toEqual(['failed', 'failed', 'failed']);
  });

  it('begins from the first again when its file could not be placed', async () => {
    await campaignOf(1);
    await end(await dial(), 503);
    const [call] = await dial();
    await releaseAttempts(database.pool, [call!.callId]);
    expect(byTrunk(await dial())).toEqual({ first: 1 });
  });

  it('does not wait for a trunk that rests: the rule is asked, or the first tried again', async () => {
    const campaign = await campaignOf(2, { retry: { congestion: '1h' } });
    const [one, other] = await dial();
    await end([one!], 503);
    await rest(second, '1 hour');
    await end([other!], 503);
    const waiting = await contactsOf(database.pool, campaign);
    expect(waiting.map((c) => c.state)).toEqual(['retrying', 'retrying']);
    const again = await dial();
    expect(again.map((c) => [c.number, c.pbxTrunk])).toEqual([[one!.number, 'first']]);
    await end(again, 503);
    expect(await dial()).toEqual([]);
  });
});

describe('the next trunk in order', () => {
  it('takes what the first has no ports for', async () => {
    await setTrunk(first, 'ports = 3');
    await campaignOf(5);
    expect(byTrunk(await dial())).toEqual({ first: 3, second: 2 });
  });

  it('takes what the first may not begin this second', async () => {
    await setTrunk(first, 'calls_per_second = 1');
    await campaignOf(5);
    expect(byTrunk(await dial())).toEqual({ first: 1, second: 4 });
  });

  it('takes all while the first has a template that this node lacks', async () => {
    await setTrunk(first, "template = 'special'");
    await campaignOf(2);
    const calls = await dial({ templates: ['direct'] });
    expect(calls.map((c) => [c.template, c.pbxTrunk])).toEqual(Array(2).fill(['direct', 'second']));
  });

  it('takes all while the SIP account of the first is not on this PBX, or may not show the caller id', async () => {
    const { pool } = database;
    const account: SipAccount = {
      ...{
        host: 'sip.example.com',
        port: null,
        transport: 'udp',
        srtp: false,
        user: 'acme',
        register: false,
      },
      ...{ caller_ids: ['+12125550101'], codecs: ['ulaw'], from_user: null, from_domain: null },
    };
    await insertSipAccount(pool, tenant.tenantId, first, account, Buffer.from('sealed'));
    const campaign = await campaignOf(6, { ports: 1 });
    const expectOn = async (trunk: string, name = 'a') => {
      const calls = await dial({ name });
      expect(byTrunk(calls)).toEqual({ [trunk]: 1 });
      await end(calls, 200);
    };
    await expectOn('second');
    const state = { tenant_id: tenant.tenantId, id: first, registration: null, problem: null };
    await saveAccountStates(pool, 'b', [{ ...state, revision: 1 }]);
    await expectOn('second');
    await expectOn('first', 'b');
    await saveAccountStates(pool, 'a', [{ ...state, revision: 1 }]);
    await expectOn('first');
    await pool.query(`UPDATE campaigns SET caller_id = '+12125550199' WHERE id = $1`, [campaign]);
    await expectOn('second');
  });

  it('takes all while the first rests; when all rest nobody is called, and the claim is woken', async () => {
    const campaign = await campaignOf(4, { ports: 2 });
    await rest(first, '1 hour');
    const calls = await dial();
    expect(byTrunk(calls)).toEqual({ second: 2 });
    await end(calls, 200);
    await rest(second, '2 hours');
    const all = await claim();
    expect(all.calls).toEqual([]);
    expect(all.wakeInMs).toBeGreaterThan(3_590_000);
    expect(all.wakeInMs).toBeLessThanOrEqual(3_600_000);
    expect((await countersOf(database.pool, campaign)).kept).toMatchObject({ pending: 2, attempts: 2 });
  });

  it('gets a few calls when its rest is over, and the others wait or go on', async () => {
    await rest(first, '-1 second');
    await campaignOf(10);
    const calls = await dial();
    expect(byTrunk(calls)).toEqual({ first: 3, second: 7 });
    await end(calls.filter((c) => c.pbxTrunk === 'first').slice(0, 1), 486);
    const { rows } = await database.pool.query('SELECT resting_until FROM trunks WHERE id = $1', [first]);
    expect(rows[0].resting_until).toBeNull();
  });
});

it('passes no limit where campaigns have the same trunks in different orders and nodes claim at once', async () => {
  await setTrunk(first, 'ports = 5');
  await setTrunk(second, 'ports = 4');
  await database.pool.query(`UPDATE pbx_trunks SET ports = 3 WHERE name = 'second'`);
  await campaignOf(20);
  await campaignOf(20, { trunkIds: [second, first] });
  for (let round = 0; round < 3; round++) {
    const claims = await Promise.all(Array.from({ length: 6 }, (_, i) => dial({ name: i % 2 ? 'a' : 'b' })));
    const calls = claims.flat();
    expect(byTrunk(calls)).toEqual({ first: 5, second: 3 });
    expect(new Set(calls.map((c) => c.callId)).size).toBe(8);
    await end(calls, 503);
  }
});
