import { beforeAll, describe, expect, it } from 'vitest';
import type { Route } from '../../src/api/route.js';
import { routes } from '../../src/api/routes.js';
import { adminToken, type Reply } from './client.js';
import {
  addContacts,
  createCampaign,
  createEquipped,
  everything,
  insertAttempt,
  numbers,
  unknownId,
} from './fixtures.js';
import { validRequest } from './requests.js';
import { useApi } from './use.js';

const api = useApi();
beforeAll(async () => {
  await api.db.pool.query(
    `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'the audit log is full'; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION refuse()`,
  );
});

const auditing = (works: boolean) =>
  api.db.pool.query(`ALTER TABLE audit_log ${works ? 'DISABLE' : 'ENABLE'} TRIGGER refuse`);

/** The status that a campaign must have for what the route does. */
const STATUS: Record<string, string> = {
  pause: 'running',
  resume: 'paused',
  archive: 'cancelled',
  unarchive: 'cancelled',
};

/** Makes what the route needs, and returns how to send a request that does what it is for. */
async function prepare(route: Route): Promise<() => Promise<Reply>> {
  const owner = await createEquipped(api);
  const campaign = await createCampaign(api, owner);
  await addContacts(api, owner, campaign, numbers(3));
  const status = STATUS[route.path.split('/').at(-1)!];
  if (status) {
    await api.db.pool.query(
      `UPDATE campaigns SET status = $2, archived_at = CASE WHEN $3 THEN now() END WHERE id = $1`,
      [campaign, status, route.path.endsWith('unarchive')],
    );
  }
  await api.send('PUT', '/v1/pbx-trunks/carrier1', {
    token: adminToken,
    body: { ports: 1, calls_per_second: null },
  });
  if (route.path === '/v1/installation-suppressions' && route.method === 'delete') {
    await api.db.pool.query(
      `INSERT INTO installation_suppressions (number) VALUES ('+493019999999') ON CONFLICT DO NOTHING`,
    );
  }
  if (route.path === '/v1/installation-erasures/{id}') {
    await api.db.pool.query('INSERT INTO installation_erasures VALUES ($1, $2)', [
      unknownId,
      Buffer.alloc(32),
    ]);
  }
  if (route.path === '/v1/trunks/{id}' && route.method === 'delete') {
    await api.db.pool.query(`UPDATE campaigns SET status = 'completed', ended_at = now() WHERE id = $1`, [
      campaign,
    ]);
  }
  if (route.path === '/v1/messages/{id}') {
    // Nobody uses it.
    await api.db.pool.query('DELETE FROM campaigns WHERE id = $1', [campaign]);
    await api.db.pool.query('DELETE FROM flows WHERE tenant_id = $1', [owner.id]);
  }
  if (route.path === '/v1/recordings/{id}') await insertAttempt(api, owner, campaign);
  const { path, sent } = validRequest(route, { campaign, owner });
  const named = route.access === 'tenant_or_admin' ? `?tenant_id=${owner.id}` : '';
  const token = route.access === 'tenant' ? owner.token : adminToken;
  return () => api.send(route.method, path + named, { ...sent, token });
}

describe('a change that cannot be written to the audit log', () => {
  it.each(
    routes
      .filter(({ method, path }) => method !== 'get' && !path.endsWith('/imports'))
      .map((route) => ({ name: `${route.method} ${route.path}`, route })),
  )('is not made: $name', async ({ route }) => {
    await auditing(true);
    const request = await prepare(route);
    await auditing(false);
    const before = await everything(api);
    expect((await request()).status).toBe(500);
    expect(await everything(api)).toBe(before);
    await auditing(true);
    expect((await request()).status).toBe(route.status);
    expect(await everything(api)).not.toBe(before);
  });

  it('is not made by an import, which fails', async () => {
    await auditing(true);
    const owner = await createEquipped(api);
    const campaign = await createCampaign(api, owner);
    await auditing(false);
    const body = `number\n${numbers(2).join('\n')}\n`;
    const send = (method: string, path: string, more: object = {}) =>
      api.send(method, path, { token: owner.token, ...more });
    const job = (await send('POST', `/v1/campaigns/${campaign}/imports`, { body, type: 'text/csv' })).json;
    await expect.poll(async () => (await send('GET', `/v1/imports/${job.id}`)).json.state).toBe('failed');
    expect((await send('GET', `/v1/campaigns/${campaign}`)).json.contacts.total).toBe(0);
  });
});
