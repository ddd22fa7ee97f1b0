import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Running } from '../../src/main.js';
import {
  attemptsOf,
  contactsOf,
  countersOf,
  insertCampaignFixture,
  insertTenantFixture,
  numbersFor,
  type TenantFixture,
} from '../support/campaigns.js';
import {
  apiFor,
  describeOnAsterisk,
  filesOfOurs,
  type Line,
  type SendToApi,
  startLine,
  toneMessage,
} from '../support/line.js';

const MESSAGE_SECONDS = 3;
const PORTS = 4;

describeOnAsterisk('pausing and cancelling over the API', () => {
  let line: Line;
  let tenant: TenantFixture;
  let campanile: Running;
  let api: SendToApi;
  let callerId: string;
  let tests = 0;

  beforeAll(async () => {
    line = await startLine();
    tenant = await insertTenantFixture(line.database.pool, { ports: 100, ...toneMessage(MESSAGE_SECONDS) });
  });
  afterAll(() => line.stop());
  beforeEach(async () => {
    campanile = await line.start();
    api = await apiFor(line, campanile, tenant);
    tests += 1;
    callerId = `+1212555020${tests}`;
  });
  afterEach(() => campanile.stop());

  /** A draft, started over the API. */
  async function startCampaign(numbers: string[], ports = PORTS): Promise<string> {
    const id = await insertCampaignFixture(line.database.pool, tenant, numbers, {
      ports,
      status: 'draft',
      callerId,
    });
    expect((await api('POST', `/v1/campaigns/${id}/start`)).json).toMatchObject({ status: 'running' });
    return id;
  }

  const callsNow = async () => (await line.farEnd.calls()).filter((call) => call.from === callerId);
  const shown = async (id: string) => (await api('GET', `/v1/campaigns/${id}`)).json;
  const outgoing = () => readdir(join(line.asterisk.spoolDir, 'outgoing'));
  const untilTalking = (count: number) =>
    expect
      .poll(async () => (await callsNow()).filter((call) => call.answeredAt !== null).length, {
        timeout: 20_000,
      })
      .toBeGreaterThanOrEqual(count);

  async function dispositionsOf(id: string): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const { disposition } of await attemptsOf(line.database.pool, id)) {
      counts[disposition ?? 'open'] = (counts[disposition ?? 'open'] ?? 0) + 1;
    }
    return counts;
  }

  /** Asterisk stands still: what is placed meanwhile waits in outgoing/, not begun. */
  async function whileAsteriskSleeps(act: () => Promise<void>): Promise<void> {
    process.kill(line.asterisk.pid, 'SIGSTOP');
    try {
      await act();
    } finally {
      process.kill(line.asterisk.pid, 'SIGCONT');
    }
  }

  it('pauses within a second, lets the calls that are up finish, and resumes', async () => {
    // Some stay for the whole message, the others make room for a new call several times a second.
    const numbers = [...numbersFor('200', 4, 100), ...numbersFor('201', 50, 200)];
    const id = await startCampaign(numbers, 3 * PORTS);
    await expect.poll(async () => (await callsNow()).length, { timeout: 20_000 }).toBeGreaterThan(4 * PORTS);
    expect((await api('POST', `/v1/campaigns/${id}/pause`)).status).toBe(200);
    const pausedAt = Date.now();
    await expect.poll(async () => (await shown(id)).ports_in_use, { timeout: 30_000 }).toBe(0);
    const called = await callsNow();
    expect(called.filter((call) => call.invitedAt > pausedAt + 1000)).toEqual([]);
    expect(called.length).toBeLessThan(numbers.length);
    expect(await shown(id)).toMatchObject({
      status: 'paused',
      contacts: { pending: numbers.length - called.length, calling: 0, answered: called.length },
    });
    for (const a of await attemptsOf(line.database.pool, id)) {
      expect(a.disposition).toBe('answered');
      if (a.number.endsWith('200')) expect(a.heard_seconds).toBe(MESSAGE_SECONDS);
    }

    expect((await api('POST', `/v1/campaigns/${id}/resume`)).status).toBe(200);
    const resumedAt = Date.now();
    await expect.poll(async () => (await shown(id)).status, { timeout: 60_000 }).toBe('completed');
    const afterwards = (await callsNow()).slice(called.length);
    expect(afterwards).toHaveLength(numbers.length - called.length);
    expect(afterwards[0]!.invitedAt).toBeGreaterThan(resumedAt - 1000);
    expect(afterwards[0]!.invitedAt - resumedAt).toBeLessThan(1000);
    expect((await shown(id)).contacts).toMatchObject({ answered: numbers.length });
  });

  it('cancels: takes out what Asterisk has not begun, and leaves calls in progress alone', async () => {
    const id = await startCampaign(numbersFor('200', 12, 300));
    await untilTalking(PORTS);
    await whileAsteriskSleeps(async () => {
      const { pool } = line.database;
      await pool.query('UPDATE campaigns SET ports = $2 WHERE id = $1', [id, 2 * PORTS]);
      await pool.query(`SELECT pg_notify('campanile_due', '')`);
      await expect.poll(async () => (await outgoing()).length, { timeout: 10_000 }).toBe(2 * PORTS);
      expect((await api('POST', `/v1/campaigns/${id}/cancel`)).json).toMatchObject({ status: 'cancelled' });
      await expect.poll(async () => (await outgoing()).length, { timeout: 10_000 }).toBe(PORTS);
      await expect
        .poll(() => dispositionsOf(id), { timeout: 10_000 })
        .toEqual({ open: PORTS, cancelled: PORTS });
    });
    await expect.poll(async () => (await shown(id)).ports_in_use, { timeout: 30_000 }).toBe(0);
    expect(await dispositionsOf(id)).toEqual({ answered: PORTS, cancelled: PORTS });
    const heard = (await attemptsOf(line.database.pool, id)).filter((a) => a.disposition === 'answered');
    expect(heard.map((a) => a.heard_seconds)).toEqual(Array(PORTS).fill(MESSAGE_SECONDS));
    expect((await shown(id)).contacts).toMatchObject({ answered: PORTS, cancelled: 12 - PORTS });
    const { kept, counted } = await countersOf(line.database.pool, id);
    expect(kept).toEqual(counted);
    expect(await callsNow()).toHaveLength(PORTS);
  });

  it('dials nobody after a cancellation while Asterisk was stopped', async () => {
    await line.asterisk.stop();
    const id = await startCampaign(numbersFor('200', 6, 400));
    await expect.poll(async () => (await outgoing()).length, { timeout: 10_000 }).toBe(PORTS);
    expect((await api('POST', `/v1/campaigns/${id}/cancel`)).status).toBe(200);
    await expect.poll(() => filesOfOurs(line.asterisk), { timeout: 10_000 }).toEqual({});
    await expect.poll(() => dispositionsOf(id), { timeout: 10_000 }).toEqual({ cancelled: PORTS });
    const contacts = await contactsOf(line.database.pool, id);
    expect(contacts.map((c) => c.state)).toEqual(Array(6).fill('cancelled'));

    await line.asterisk.restart();
    // A call made now shows that Asterisk has taken up its spool again.
    const after = await startCampaign(numbersFor('200', 1, 900));
    await expect.poll(async () => (await shown(after)).status, { timeout: 30_000 }).toBe('completed');
    expect((await callsNow()).map((call) => call.number)).toEqual(numbersFor('200', 1, 900));
  });
});
