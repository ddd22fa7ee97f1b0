import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../src/lab/ports.js';
import {
  insertCampaignFixture,
  insertTenantFixture,
  numbersFor,
  untilCompleted,
} from '../support/campaigns.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startProgram } from '../support/program.js';
import { type SandboxLine, startSandboxLine } from '../support/sandbox-line.js';

describe('a second process on the spool of another', () => {
  let line: SandboxLine;
  let other: TestDatabase;
  beforeEach(async () => {
    line = await startSandboxLine({ testMode: 'off' });
    other = await createTestDatabase();
  }, 60_000);
  afterEach(async () => {
    await line?.stop();
    await other?.drop();
  });

  const elsewhere = async () => ({ agiListen: { host: '127.0.0.1', port: await freePort('tcp') } });

  it('does not start: as the same node, under another name, with another database', async () => {
    await line.start();
    const same = line.start(await elsewhere());
    await expect(same).rejects.toMatchObject({ code: 'node_taken' });
    await expect(same).rejects.toThrow('another campanile process is node "pbx-1": stop it first');
    for (const over of [
      { nodeName: 'pbx-2' },
      { databaseUrl: other.url },
      { databaseUrl: other.url, nodeName: 'pbx-2' },
    ]) {
      const second = line.start({ ...(await elsewhere()), ...over });
      await expect(second).rejects.toMatchObject({ code: 'spool_taken' });
      await expect(second).rejects.toThrow(`serves the spool ${line.config.spoolDir}: stop it first`);
    }
    expect((await other.pool.query('SELECT FROM nodes')).rowCount).toBe(0);
    // The first has not noticed.
    const tenant = await insertTenantFixture(line.database.pool);
    const id = await insertCampaignFixture(line.database.pool, tenant, numbersFor('203', 3));
    await untilCompleted(line.database.pool, [id], 20);
  });

  it('starts when the first has stopped, or was killed', async () => {
    const first = await line.start();
    await first.stop();
    const listen = { host: '127.0.0.1', port: await freePort('tcp') };
    const program = await startProgram({ ...line.config, listen });
    await program.kill();
    await line.start({ nodeName: 'pbx-2' });
  });
});
