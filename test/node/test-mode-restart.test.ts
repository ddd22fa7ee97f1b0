import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Config } from '../../src/config.js';
import { toneWav } from '../../src/messages/tone.js';
import {
  attemptsOf,
  insertCampaignFixture,
  insertTenantFixture,
  numbersFor,
  type TenantFixture,
  untilCompleted,
} from '../support/campaigns.js';
import { startProgram } from '../support/program.js';
import { type SandboxLine, startSandboxLine } from '../support/sandbox-line.js';

const audio = toneWav(3);
const RINGING = ['212', '213', '214', '215'].map((area) => `+1${area}5550131`);
const WAIT = { timeout: 15_000, interval: 50 };

describe('a test call, whatever crashes', () => {
  let line: SandboxLine;
  let tenant: TenantFixture;
  let sandboxSpool: string;
  beforeEach(async () => {
    line = await startSandboxLine({ nodeName: 'pbx-1' });
    sandboxSpool = join(line.config.dataDir, 'test/pbx-1/spool');
    tenant = await insertTenantFixture(line.database.pool, { audio });
  }, 60_000);
  afterEach(() => line?.stop());

  const insertTest = (numbers: string[]) =>
    insertCampaignFixture(line.database.pool, tenant, numbers, { test: true, ringSeconds: 60 });
  const stateOf = async (id: string) =>
    (await attemptsOf(line.database.pool, id)).map(({ state, node }) => `${state} ${node}`);

  /** Kills a Campanile in the middle of test calls, some of which its sandbox has begun. */
  async function crash(over: Partial<Config> = {}): Promise<string> {
    const program = await startProgram({ ...line.config, ...over });
    const id = await insertTest(RINGING);
    await vi.waitFor(
      async () => expect(await stateOf(id)).toEqual(RINGING.map(() => 'open pbx-1/test')),
      WAIT,
    );
    await program.kill();
    return id;
  }

  /** A real campaign is called, so the node that is up now has looked at everything that there was. */
  async function callForReal(): Promise<void> {
    const id = await insertCampaignFixture(line.database.pool, tenant, numbersFor('203', 3));
    await untilCompleted(line.database.pool, [id], 20);
  }

  it('waits for a sandbox when its node is started again as a real one', async () => {
    const id = await crash({ testMode: 'only' });
    const real = await line.start({ testMode: 'off' });
    await callForReal();
    expect(await stateOf(id)).toEqual(RINGING.map(() => 'open pbx-1/test'));
    expect(line.witness.calls().map(({ number }) => number)).not.toContain(RINGING[0]);
    expect(line.witness.total).toBe(3);
    const why = await line.send(real, tenant.tenantId, 'GET', `/v1/campaigns/${id}/why`);
    await real.stop();

    expect(why.json.test).toBe(true);
    await line.start();
    await untilCompleted(line.database.pool, [id], 40);
    const attempts = await attemptsOf(line.database.pool, id);
    expect(attempts.map(({ disposition }) => disposition)).toEqual(RINGING.map(() => 'lost'));
    expect(line.witness.total).toBe(3);
  });

  it('lies in a spool that no real node starts on', async () => {
    const id = await crash();
    const begun = line.start({ testMode: 'off', spoolDir: sandboxSpool });
    await expect(begun).rejects.toMatchObject({ code: 'spool_unusable' });
    await expect(begun).rejects.toThrow('is the spool of test campaigns');
    expect(await stateOf(id)).toEqual(RINGING.map(() => 'open pbx-1/test'));
  });

  it('never lies in a spool that was there before', async () => {
    const first = await line.start();
    await vi.waitFor(() => expect(existsSync(join(sandboxSpool, 'campanile/staging'))).toBe(true), WAIT);
    await first.stop();
    await rename(join(sandboxSpool, 'campanile'), join(sandboxSpool, 'away'));
    await expect(line.start({ testMode: 'only' })).rejects.toThrow('was not made for test calls');
    // Beside a real node it is only logged, and real calls go on.
    await line.start();
    await callForReal();
    expect(line.witness.total).toBe(3);
  });

  it('is refused by the database on a real node, as a real one is on a sandbox', async () => {
    const { pool } = line.database;
    const test = await insertTest(['+12125550100']);
    const real = await insertCampaignFixture(pool, tenant, numbersFor('203', 1));
    const insert = (campaign: string, node: string, isTest: boolean) =>
      pool.query(
        `INSERT INTO attempts (tenant_id, id, campaign_id, contact_id, trunk_id, pbx_trunk, node, number, ordinal, test)
          SELECT tenant_id, gen_random_uuid(), $1, id, $3, 'far', $2, number, 1, $4 FROM contacts WHERE campaign_id = $1`,
        [campaign, node, tenant.trunkId, isTest],
      );
    await expect(insert(test, 'pbx-1', true)).rejects.toThrow('test_calls_on_sandbox_nodes');
    await expect(insert(real, 'pbx-1/test', false)).rejects.toThrow('test_calls_on_sandbox_nodes');
    const change = pool.query('UPDATE campaigns SET test = false WHERE id = $1', [test]);
    await expect(change).rejects.toThrow('a test from its creation on');
  });

  it('is explained while no sandbox node runs', async () => {
    const real = await line.start({ testMode: 'off' });
    const id = await insertTest(['+12125550100']);
    const get = (what: string) =>
      line.send(real, tenant.tenantId, 'GET', `/v1/campaigns/${id}/${what}`).then(({ json }) => json);
    expect((await get('why')).reasons).toMatchObject([
      { code: 'no_node', text: expect.stringContaining('there has never been a sandbox node') },
    ]);
    expect((await get('preview')).estimate.ports).toBeNull();
    await real.stop();
    const only = await line.start({ testMode: 'only' });
    await untilCompleted(line.database.pool, [id], 20);
    const called = await insertCampaignFixture(line.database.pool, tenant, numbersFor('203', 1));
    await line.database.pool.query(
      "UPDATE nodes SET seen_at = now() - interval '1 hour' WHERE name = 'pbx-1'",
    );
    const why = await line.send(only, tenant.tenantId, 'GET', `/v1/campaigns/${called}/why`);
    expect(why.json.reasons[0].text).toContain('beside an Asterisk');
    expect(line.witness.total).toBe(0);
  });
});
