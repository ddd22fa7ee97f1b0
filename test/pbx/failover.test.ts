import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../../src/lab/condition.js';
import { type FarEnd, startFarEnd } from '../../src/lab/far-end.js';
import { freePort } from '../../src/lab/ports.js';
import {
  attemptsOf,
  insertTenantFixture,
  numbersFor,
  type TenantFixture,
  untilCompleted,
} from '../support/campaigns.js';
import {
  apiFor,
  describeOnAsterisk,
  keptLog,
  type Line,
  type SendToApi,
  startLine,
  testImage,
  toneMessage,
} from '../support/line.js';

const PORTS = 5;

describeOnAsterisk('a campaign over two trunks', () => {
  let line: Line;
  let dir: string;
  /** Answers every call, whatever its number says. */
  let goodEnd: FarEnd;
  let tenant: TenantFixture;
  let send: SendToApi;
  const { log, lines } = keptLog();

  beforeAll(async () => {
    line = await startLine({ farEnd: { always: 503 } });
    dir = await mkdtemp(join(tmpdir(), 'campanile-failover-'));
    const port = await freePort('udp');
    goodEnd = await startFarEnd({ image: await testImage(), dir, port, always: 200 });
    const campanile = await line.start({}, log);
    tenant = await insertTenantFixture(line.database.pool, { ports: 60, ...toneMessage(0.3) });
    send = await apiFor(line, campanile, { tenantId: tenant.tenantId });
  });
  afterAll(async () => {
    await line.stop();
    await goodEnd.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const trunk = async (id: string) => (await send('GET', `/v1/trunks/${id}`)).json;

  /** A trunk to a port of this machine that the PBX knows already when it is returned. */
  async function createTrunk(name: string, port: number, more: object = {}): Promise<string> {
    const sip = { host: '127.0.0.1', port, user: 'acme', password: 'secret', register: false };
    const made = await send('POST', '/v1/trunks', { name, ports: PORTS, sip, ...more });
    expect(made.status, JSON.stringify(made.json)).toBe(201);
    const { id } = made.json;
    const loaded = async () => (await trunk(id)).registration[0]?.loaded === true;
    expect(await until(loaded, { timeoutMs: 20_000, everyMs: 100 })).toBe(true);
    return id;
  }

  async function start(trunk_ids: string[], numbers: string[], more: object = {}): Promise<string> {
    const body = { name: 'Over two trunks', trunk_ids, message_id: tenant.messageId, ...more };
    const { json } = await send('POST', '/v1/campaigns', body);
    const contacts = numbers.map((number) => ({ number }));
    await send('POST', `/v1/campaigns/${json.id}/contacts`, { contacts });
    expect((await send('POST', `/v1/campaigns/${json.id}/start`)).status).toBe(200);
    return json.id;
  }

  const callsTo = async (end: FarEnd, numbers: string[]) =>
    (await end.calls()).filter((call) => numbers.includes(call.number));
  async function expectAnsweredOnce(numbers: string[]): Promise<void> {
    const answered = await callsTo(goodEnd, numbers);
    expect(answered.map((call) => call.number).sort()).toEqual(numbers.toSorted());
    expect(answered.map((call) => call.finalStatus)).toEqual(Array(numbers.length).fill(200));
  }

  it('answers every contact once where the first is congested, and rests the first', async () => {
    const breaker = { failures: 10, share: 0.5, seconds: 60, rest_seconds: 3600 };
    const bad = await createTrunk('Congested', line.farEnd.port, { breaker });
    const good = await createTrunk('Good', goodEnd.port);
    const numbers = numbersFor('503', 40);
    // Failed over calls do not count: with a single attempt and no rule nobody is lost.
    const once = { max_attempts: 1, retry: {} };
    const id = await start([bad, good], numbers, once);
    await untilCompleted(line.database.pool, [id], 60);
    await expectAnsweredOnce(numbers);

    // The threshold, and what was under way when it was reached.
    const tried = (await callsTo(line.farEnd, numbers)).length;
    expect(tried).toBeGreaterThanOrEqual(10);
    expect(tried).toBeLessThan(10 + PORTS);
    const attempts = await attemptsOf(line.database.pool, id);
    expect(attempts).toHaveLength(40 + tried);
    const failed = attempts.filter((a) => a.disposition !== 'answered');
    expect(failed.map((a) => [a.disposition, a.sip_status, a.ordinal])).toEqual(
      Array(tried).fill(['congestion', 503, 1]),
    );
    const { contacts } = (await send('GET', `/v1/campaigns/${id}`)).json;
    expect(contacts).toMatchObject({ total: 40, answered: 40 });

    const resting = await trunk(bad);
    expect(resting.resting.reason).toMatch(/^(1\d) of its last \1 calls failed \(SIP 503\)$/);
    expect(resting).toMatchObject({ ports_in_use: 0, last_hour: { seizures: tried, answered: 0 } });
    expect(resting.last_failures[0]).toMatchObject({ disposition: 'congestion', sip_status: 503 });
    expect(await trunk(good)).toMatchObject({
      resting: null,
      last_hour: { seizures: 40, answered: 40, answer_seizure_ratio: 1 },
      last_failures: [],
    });
    expect(lines.filter((entry) => entry.trunk === bad && entry.msg !== 'call ended')).toMatchObject([
      { reason: resting.resting.reason, msg: 'a trunk rests, because its calls fail' },
    ]);

    // While it rests it gets no call; when it is changed it gets a few, and rests on.
    const later = numbersFor('503', 20, 100);
    await untilCompleted(line.database.pool, [await start([bad, good], later, once)], 60);
    await expectAnsweredOnce(later);
    expect(await callsTo(line.farEnd, later)).toEqual([]);
    await send('PATCH', `/v1/trunks/${bad}`, { name: 'Still congested' });
    const last = numbersFor('503', 20, 200);
    await untilCompleted(line.database.pool, [await start([bad, good], last, once)], 60);
    await expectAnsweredOnce(last);
    const trials = (await callsTo(line.farEnd, last)).length;
    expect(trials).toBeGreaterThanOrEqual(1);
    expect(trials).toBeLessThanOrEqual(3);
    expect((await trunk(bad)).resting.reason).toBe('the calls tried after its rest failed too (SIP 503)');
  });

  it('answers every contact once where nothing listens at the first', async () => {
    const breaker = { failures: 3, share: 0.5, seconds: 60, rest_seconds: 3600 };
    const bad = await createTrunk('Nobody there', await freePort('udp'), { breaker });
    const good = await createTrunk('Good', goodEnd.port);
    const numbers = numbersFor('503', 12, 300);
    const id = await start([bad, good], numbers, { max_attempts: 1, retry: {}, ring_seconds: 5 });
    await untilCompleted(line.database.pool, [id], 60);
    await expectAnsweredOnce(numbers);
    const failed = (await attemptsOf(line.database.pool, id)).filter((a) => a.disposition !== 'answered');
    expect(failed).toHaveLength(PORTS);
    for (const attempt of failed) expect(attempt.disposition).toBe('unreachable');
    const { resting, last_failures } = await trunk(bad);
    expect(resting.reason).toMatch(/of its last \d calls failed/);
    expect(last_failures).toHaveLength(PORTS);
  });

  it('deletes a trunk that is needed no more, and it leaves the PBX', async () => {
    const id = await createTrunk('Short-lived', goodEnd.port);
    const endpoint = () => line.asterisk.cli(`pjsip show endpoint campanile-${id}`);
    expect(await endpoint()).not.toContain('Unable to find');
    expect((await send('DELETE', `/v1/trunks/${id}`)).status).toBe(204);
    const gone = async () => (await endpoint()).includes('Unable to find');
    expect(await until(gone, { timeoutMs: 5_000, everyMs: 100 })).toBe(true);
  });
});
