import { once } from 'node:events';
import { beforeEach, describe, expect, it } from 'vitest';
import { countersOf } from '../support/campaigns.js';
import { startApi } from './client.js';
import { createCampaign, createEquipped, numbers } from './fixtures.js';
import { type Importing, importing } from './importing.js';
import { useApi, useTenant } from './use.js';

let id: string;
let imports: Importing;
const api = useApi({ importLimits: { stallMs: 1500, most: 3, mostPerTenant: 2 } });
const tenant = useTenant(api);
beforeEach(async () => {
  id = await createCampaign(api, tenant);
  imports = importing(api, tenant, id);
});

const list = (count: number, from = 0) => `${numbers(count, from).join('\n')}\n`;
const setStatus = (status: string) =>
  api.db.pool.query('UPDATE campaigns SET status = $2 WHERE id = $1', [id, status]);
async function expectNothing(): Promise<void> {
  const { kept, counted } = await countersOf(api.db.pool, id);
  expect(kept).toEqual(counted);
  expect(counted.pending).toBe(0);
}
/** The processes of Postgres that take imports. */
const backends = async (database = api.db) =>
  (
    await database.pool.query(
      `SELECT pid FROM pg_stat_activity WHERE application_name = 'campanile import' AND datname = current_database()`,
    )
  ).rows.map((row) => row.pid as number);
const lastJob = async () => (await imports.jobs()).at(-1)!;

describe('an upload under way', () => {
  it('is seen with what it has, keeps nothing dialled and leaves nothing when its connection is lost', async () => {
    await setStatus('running');
    const upload = imports.begin('text/csv');
    upload.on('error', () => {});
    upload.write(`number\n${list(5000)}`);
    await expect.poll(async () => (await imports.jobs())[0]?.state).toBe('receiving');
    await expectNothing();
    upload.destroy();
    await expect.poll(lastJob).toMatchObject({ state: 'failed', error_code: 'body_cut_off', added: 0 });
    await expectNothing();
    await expect.poll(() => backends()).toEqual([]);
  });

  it('is ended when nothing comes for too long', async () => {
    const upload = imports.begin('text/csv');
    upload.write(`number\n${list(10)}`);
    const [response] = await once(upload, 'response');
    expect(response.statusCode).toBe(408);
    expect(response.headers.connection).toBe('close');
    expect(await lastJob()).toMatchObject({ state: 'failed', error_code: 'body_stalled' });
    await expectNothing();
  });

  it('fails when its connection to the database breaks', async () => {
    const upload = imports.begin('text/csv');
    upload.write(`number\n${list(10)}`);
    const answered = once(upload, 'response');
    await expect.poll(async () => (await backends()).length).toBe(1);
    await api.db.pool.query('SELECT pg_terminate_backend($1)', [(await backends())[0]]);
    upload.end(list(10, 10));
    const [response] = await answered;
    expect(response.statusCode).toBe(503);
    expect(await lastJob()).toMatchObject({ state: 'failed' });
    await expectNothing();
  });

  it('fails when the campaign ends before it is whole', async () => {
    const upload = imports.begin('text/csv');
    upload.write(`number\n${list(10)}`);
    await expect.poll(async () => (await imports.jobs())[0]?.state).toBe('receiving');
    await setStatus('cancelled');
    upload.end();
    await once(upload, 'response');
    await expect.poll(lastJob).toMatchObject({ state: 'failed', error_code: 'campaign_ended', added: 0 });
    await expectNothing();
  });

  it('is refused beside two of the same tenant', async () => {
    const uploads = [imports.begin('text/csv'), imports.begin('text/csv')];
    for (const upload of uploads) upload.on('error', () => {}).write('number\n');
    await expect.poll(async () => (await backends()).length).toBe(2);
    const reply = await imports.send('text/csv', ['number\n']);
    expect(reply).toMatchObject({ status: 429, json: { code: 'too_many_imports' } });
    for (const upload of uploads) upload.destroy();
    await expect.poll(() => backends()).toEqual([]);
  });
});

describe('an import whose server was killed', () => {
  it('is shown as failed to whoever looks', async () => {
    await api.db.pool.query(
      `INSERT INTO imports (tenant_id, id, campaign_id, format, state)
        SELECT $1, gen_random_uuid(), $2, 'csv', state FROM unnest(ARRAY['receiving', 'storing']) AS state`,
      [tenant.id, id],
    );
    expect(await imports.jobs()).toMatchObject([
      { state: 'failed', error_code: 'interrupted' },
      { state: 'failed', error_code: 'interrupted' },
    ]);
  });
});

describe('while an import is stored', () => {
  it('the calls of its campaign go on, and other uploads to it are asked to wait', async () => {
    const holder = await api.db.pool.connect();
    try {
      await holder.query('BEGIN');
      // What the INSERT would add already: it waits for this row, behind all it has put in.
      await holder.query(
        `INSERT INTO contacts (tenant_id, id, campaign_id, number) VALUES ($1, gen_random_uuid(), $2, '+49301199999')`,
        [tenant.id, id],
      );
      await holder.query('SAVEPOINT before');
      const { json } = await imports.send('text/csv', [`number\n${list(100)}+49301199999\n`]);
      expect(json.state).toBe('storing');
      await new Promise((resolve) => setTimeout(resolve, 100));
      const beside = await api.send('POST', `/v1/campaigns/${id}/contacts`, {
        token: tenant.token,
        body: [{ number: '+49301100001' }],
      });
      expect(beside).toMatchObject({ status: 409, json: { code: 'import_storing' } });
      await holder.query('ROLLBACK');
      expect(await imports.untilOver(json.id)).toMatchObject({ state: 'completed', added: 101 });
    } finally {
      holder.release(true);
    }
  });
});

describe('a server that stops', () => {
  it('breaks off what is stored for longer than its grace, and leaves nothing of it', async () => {
    const other = await startApi();
    const owner = await createEquipped(other);
    const campaign = await createCampaign(other, owner);
    const holder = await other.db.pool.connect();
    await holder.query('BEGIN');
    await holder.query(
      `INSERT INTO contacts (tenant_id, id, campaign_id, number) VALUES ($1, gen_random_uuid(), $2, '+49301100000')`,
      [owner.id, campaign],
    );
    const { json } = await importing(other, owner, campaign).send('text/csv', [`number\n${list(100)}`]);
    expect(json.state).toBe('storing');
    await other.api.stop(200);
    await holder.query('ROLLBACK');
    const { rows } = await holder.query(
      'SELECT state, (SELECT count(*) FROM contacts) AS contacts FROM imports',
    );
    expect(rows).toEqual([{ state: 'failed', contacts: 0 }]);
    holder.release();
    await other.stop();
  });
});
