import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { AMD_DEFAULTS, BEEP_DEFAULTS } from '../../src/calls/machine.js';
import type { Running } from '../../src/main.js';
import { toneWav } from '../../src/messages/tone.js';
import { packageRoot } from '../../src/root.js';
import { TEST_CODES } from '../../src/sandbox/test-numbers.js';
import {
  attemptsOf,
  contactsOf,
  insertCampaignFixture,
  insertFlowFixture,
  insertTenantFixture,
  numbersFor,
  type TenantFixture,
  untilCompleted,
} from '../support/campaigns.js';
import type { FlowAttempt } from '../support/flow-calls.js';
import { insertDestination } from '../support/flows.js';
import { type SandboxLine, startSandboxLine } from '../support/sandbox-line.js';

const audio = toneWav(3);
const testNumber = (code: string, area = '212') => `+1${area}55501${code}`;

/** The rows of the table in docs/test-mode.md: the last two digits, and what an attempt ends as. */
async function documented(): Promise<Map<string, string>> {
  const text = await readFile(join(packageRoot, 'docs/test-mode.md'), 'utf8');
  const rows = [...text.matchAll(/^\| `01(\d\d)`(?: to `01(\d\d)`)? \|.*\| (\w+) \|$/gm)];
  return new Map(
    rows.flatMap(([, from = '', to = from, disposition = '']) =>
      Array.from({ length: Number(to) - Number(from) + 1 }, (_, i) => [
        String(Number(from) + i).padStart(2, '0'),
        disposition,
      ]),
    ),
  );
}

describe('test campaigns', () => {
  let line: SandboxLine;
  let campanile: Running;
  let tenant: TenantFixture;
  beforeAll(async () => {
    line = await startSandboxLine();
    campanile = await line.start();
    tenant = await insertTenantFixture(line.database.pool, { audio });
  }, 60_000);
  afterAll(() => line?.stop());

  const insert = (numbers: string[], options: Parameters<typeof insertCampaignFixture>[3] = {}) =>
    insertCampaignFixture(line.database.pool, tenant, numbers, { test: true, ...options });
  const completed = (...ids: string[]) => untilCompleted(line.database.pool, ids, 25);
  const get = async (path: string) => (await line.send(campanile, tenant.tenantId, 'GET', path)).json;

  it('end each call as the documentation says of its number', async () => {
    const table = await documented();
    expect([...table.keys()].toSorted()).toEqual(TEST_CODES);
    const id = await insert(
      TEST_CODES.map((code) => testNumber(code)),
      { ringSeconds: 5 },
    );
    await completed(id);
    const attempts = await attemptsOf(line.database.pool, id);
    const ended = new Map(attempts.map(({ number, disposition }) => [number.slice(-2), disposition]));
    expect(Object.fromEntries(ended)).toEqual(Object.fromEntries(table));
    expect(attempts.every(({ test, node }) => test && node === 'pbx-1/test')).toBe(true);
    const of = (code: string) => attempts.find(({ number }) => number.endsWith(`01${code}`))!;
    for (const key of '123456789') expect(of(`0${key}`)).toMatchObject({ key, hung_up_by: 'campanile' });
    expect(['10', '11', '12', '13', '15'].map((code) => of(code).key)).toEqual(['0', '*', '#', '1', '7']);
    expect(of('00')).toMatchObject({ key: null, heard_seconds: 3 });
    expect(of('20').hung_up_by).toBe('callee');
    for (const seconds of [of('20').talk_seconds, of('20').heard_seconds]) {
      expect(seconds).toBeGreaterThan(1.8);
      expect(seconds).toBeLessThan(2.3);
    }
    expect(of('31').ring_seconds).toBeCloseTo(5, 0);
  });

  it('tell machines from persons', async () => {
    const numbers = ['00', '40', '41'].map((code) => testNumber(code, '314'));
    const id = await insert(numbers, {
      machineDetection: {
        ...AMD_DEFAULTS,
        ...BEEP_DEFAULTS,
        action: 'leave_message',
        message_id: tenant.messageId,
      },
    });
    await completed(id);
    const [person, machine, nobody] = await attemptsOf(line.database.pool, id);
    expect(person).toMatchObject({ disposition: 'answered', machine: { status: 'person' } });
    expect(machine).toMatchObject({ disposition: 'machine', heard_seconds: 3, machine: { beep: 'over' } });
    expect(nobody).toMatchObject({
      disposition: 'answered',
      heard_seconds: 3,
      machine: { status: 'unsure' },
    });
    const { after_ms, beep_after_ms } = machine!.machine!;
    // A greeting of 6 s and 2 s of silence.
    expect(after_ms + beep_after_ms!).toBeGreaterThan(7_900);
    expect(after_ms + beep_after_ms!).toBeLessThan(9_500);
  });

  it('try those again that are busy, and reach who answers the second call', async () => {
    const id = await insert([testNumber('60', '312'), testNumber('30', '312')], {
      retry: { busy: '1s' },
      maxAttempts: 2,
    });
    await completed(id);
    expect((await contactsOf(line.database.pool, id)).map(({ state }) => state)).toEqual([
      'busy',
      'answered',
    ]);
  });

  it('go on to the next trunk after a fault of the first', async () => {
    const other = await insertTenantFixture(line.database.pool, { audio });
    const id = await insertCampaignFixture(line.database.pool, other, [testNumber('62', '313')], {
      test: true,
      retry: { congestion: '1s' },
    });
    await completed(id);
    const attempts = await attemptsOf(line.database.pool, id);
    expect(attempts.map(({ disposition }) => disposition)).toEqual(['congestion', 'answered']);
  });

  it('call nobody: a number of somebody’s own is answered by the sandbox, and real campaigns by the PBX', async () => {
    const before = line.witness.total;
    const real = await insert(numbersFor('203', 5), { test: false });
    const test = await insert([...numbersFor('486', 5), testNumber('00', '415')]);
    await completed(real, test);
    const seen = line.witness.calls().slice(before);
    expect(seen.map(({ number }) => number).toSorted()).toEqual(numbersFor('203', 5));
    const dispositions = (await attemptsOf(line.database.pool, test)).map(({ disposition }) => disposition);
    expect(dispositions).toEqual(Array(6).fill('answered'));
    const nodes = async (id: string) =>
      new Set((await attemptsOf(line.database.pool, id)).map(({ node }) => node));
    expect([await nodes(real), await nodes(test)]).toEqual([new Set(['pbx-1']), new Set(['pbx-1/test'])]);
  });

  it('take no ports from real ones, nor give them any', async () => {
    const narrow = await insertTenantFixture(line.database.pool, { audio, ports: 1, rate: 1 });
    const insertNarrow = (numbers: string[], test: boolean) =>
      insertCampaignFixture(line.database.pool, narrow, numbers, { test, ringSeconds: 60 });
    // Rings for 6 s of real time.
    const real = await insertNarrow(numbersFor('180', 2), false);
    const test = await insertNarrow([testNumber('00', '310'), testNumber('00', '323')], true);
    await completed(test);
    const [first] = await attemptsOf(line.database.pool, real);
    expect(first).toMatchObject({ state: 'open' });
    expect(await attemptsOf(line.database.pool, real)).toHaveLength(1);
    const [one, two] = await attemptsOf(line.database.pool, test);
    const [early, late] = [one!, two!].toSorted((a, b) => a.claimed_at.getTime() - b.claimed_at.getTime());
    expect(late!.claimed_at.getTime()).toBeGreaterThanOrEqual(early!.ended_at!.getTime());
    const path = `/v1/campaigns/${real}/why`;
    const why = (await line.send(campanile, narrow.tenantId, 'GET', path)).json;
    expect(why.reasons.map(({ code }: { code: string }) => code)).toContain('tenant_ports');
    await line.database.pool.query("UPDATE campaigns SET status = 'cancelled' WHERE id = $1", [real]);
  });

  it('record and transfer, as the flow says', async () => {
    const { pool } = line.database;
    const destination = await insertDestination(pool, tenant, { kind: 'queue', target: 'staff', ports: 5 });
    const flowId = await insertFlowFixture(pool, tenant, {
      start: 'say',
      steps: {
        say: { type: 'record', save_as: 'words', next: 'staff' },
        staff: { type: 'transfer', destination, save_as: 'talked', next: 'end' },
        end: { type: 'play', message: tenant.messageId },
      },
    });
    const id = await insert([testNumber('00'), testNumber('22')], { flowId });
    await completed(id);
    const [stays, leaves] = (await attemptsOf(pool, id)) as FlowAttempt[];
    expect(stays!.steps).toMatchObject([
      { step: 'say', recorded_seconds: 3 },
      { step: 'staff', outcome: 'connected' },
      { step: 'end', heard_seconds: 3 },
    ]);
    expect(stays!.answers).toMatchObject({ talked: 'connected' });
    const recording = stays!.steps![0]!.recording;
    expect((await get(`/v1/recordings/${recording}`)).seconds).toBe(3);
    expect(leaves).toMatchObject({ hung_up_by: 'callee', steps: [{ step: 'say', recorded_seconds: 3 }] });
  });

  it('count for the frequency caps of tests only', async () => {
    const capped = await insertTenantFixture(line.database.pool, { audio });
    await line.database.pool.query('UPDATE tenants SET attempts_per_day = 1 WHERE id = $1', [
      capped.tenantId,
    ]);
    const number = testNumber('00', '646');
    const insertCapped = (test: boolean) =>
      insertCampaignFixture(line.database.pool, capped, [number], { test });
    await completed(await insertCapped(true));
    const again = await insertCapped(true);
    const real = await insertCapped(false);
    await completed(real);
    expect(line.witness.calls().filter((call) => call.number === number)).toHaveLength(1);
    await vi.waitFor(async () => {
      const [contact] = await contactsOf(line.database.pool, again);
      expect(contact).toMatchObject({ state: 'pending', attempts: 0, held_for: 'frequency_cap' });
    }, 10_000);
  });

  it('tell nothing of a trunk, and need nothing of it', async () => {
    const id = await insert(
      Array.from({ length: 40 }, (_, i) => testNumber('50', String(201 + i))),
      { retry: {} },
    );
    await line.database.pool.query(
      `UPDATE trunks SET template = 'missing', resting_since = now(), resting_until = now() + interval '1 hour',
          resting_reason = 'broken' WHERE id = $1`,
      [tenant.trunkId],
    );
    await completed(id);
    const trunk = await get(`/v1/trunks/${tenant.trunkId}`);
    expect(trunk.resting.reason).toBe('broken');
    expect(trunk.last_failures).toEqual([]);
    const { rows } = await line.database.pool.query(
      'SELECT coalesce(sum(faults), 0) AS faults FROM trunk_slices WHERE trunk_id = $1',
      [tenant.trunkId],
    );
    expect(rows).toEqual([{ faults: 0 }]);
    await line.database.pool.query(
      `UPDATE trunks SET template = 'direct', resting_since = NULL, resting_until = NULL, resting_reason = NULL
        WHERE id = $1`,
      [tenant.trunkId],
    );
  });

  it('are told apart in reports, exports, events and copies', async () => {
    const webhook = await line.send(campanile, tenant.tenantId, 'POST', '/v1/webhooks', {
      url: 'http://127.0.0.1:9/',
      events: ['*'],
    });
    expect(webhook.status).toBe(201);
    const id = await insert([testNumber('00', '718')]);
    await completed(id);
    const { rows: bodies } = await vi.waitFor(async () => {
      const text = `SELECT body::json AS event FROM webhook_deliveries
        WHERE body::json ->> 'campaign_id' = $1 AND type = 'campaign.changed'`;
      const found = await line.database.pool.query<{ event: { test: boolean } }>(text, [id]);
      expect(found.rowCount).toBe(1);
      return found;
    }, 10_000);
    expect(bodies[0]!.event.test).toBe(true);
    const to = new Date(Date.now() + 60_000).toISOString();
    const from = new Date(Date.now() - 3_600_000).toISOString();
    const time = `/v1/report?from=${from}&to=${to}`;
    const campaignsOf = (report: { by_campaign: { campaign_id: string }[] }) =>
      report.by_campaign.map(({ campaign_id }) => campaign_id);
    const [real, tests] = [await get(time), await get(`${time}&test=true`)];
    expect([real.test, tests.test]).toEqual([false, true]);
    expect(campaignsOf(real)).not.toContain(id);
    expect(campaignsOf(tests)).toContain(id);
    expect(await get(`/v1/campaigns/${id}/report`)).toMatchObject({ test: true, totals: { answered: 1 } });
    expect(await get(`/v1/campaigns/${id}/why`)).toMatchObject({ test: true });
    expect(await get(`/v1/campaigns/${id}/preview`)).toMatchObject({ test: true, estimate: { ports: 20 } });
    expect((await get(`/v1/campaigns/${id}/attempts`)).data).toMatchObject([{ test: true }]);
    const copy = await line.send(campanile, tenant.tenantId, 'POST', `/v1/campaigns/${id}/copy`, {});
    expect(copy.json).toMatchObject({ test: true, status: 'draft' });
    const path = `/v1/campaigns/${copy.json.id}`;
    const change = await line.send(campanile, tenant.tenantId, 'PATCH', path, { test: false });
    expect([change.status, (await get(path)).test]).toEqual([422, true]);
  });
});
