import type pg from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Route } from '../../src/api/route.js';
import { createApiKey } from '../../src/api/routes/api-keys.js';
import { makeFlowSecret } from '../../src/api/routes/flow-secret.js';
import { createMessage } from '../../src/api/routes/messages.js';
import { createSuppressionList } from '../../src/api/routes/suppressions.js';
import { routes } from '../../src/api/routes.js';
import { asTenant, type Pool, transaction } from '../../src/db/pool.js';
import {
  addContacts,
  createCampaign,
  createImport,
  createTry,
  insertAttempt,
  insertInboundCall,
  numbers,
  unknownId,
} from './fixtures.js';
import { validRequest } from './requests.js';
import { useApi, useTenant } from './use.js';

let campaignId: string;
let importId: string;
let attemptId: string;
let tryId: string;

const onlyOwners = '+493018888888';

/** Statements whose WHERE clause was made to hold for every row. */
let opened = 0;

const api = useApi({ poolOf: unfiltered });
const owner = useTenant(api);
const stranger = useTenant(api);
beforeAll(async () => {
  campaignId = await createCampaign(api, owner);
  await addContacts(api, owner, campaignId, numbers(3));
  ({ attemptId } = await insertAttempt(api, owner, campaignId));
  await insertInboundCall(api, owner, campaignId);
  importId = await createImport(api, owner, campaignId);
  tryId = await createTry(api, owner);
  const list = `/v1/suppression-lists/${owner.listId}/numbers`;
  await api.send('POST', list, { token: owner.token, body: [onlyOwners] });
  const own = await createCampaign(api, stranger);
  await addContacts(api, stranger, own, numbers(3, 500));
});

/**
 * A pool that takes out of every statement on behalf of a tenant what its WHERE clauses say of ids: `tenant_id = $1` and
 * the like become true.
 */
function unfiltered(pool: Pool): Pool {
  const connect = async () => {
    const client = await pool.connect();
    let asTenant = false;
    const query = (statement: string | pg.QueryConfig, values?: unknown[]) => {
      if (typeof statement !== 'string') return client.query(statement, values);
      if (statement.startsWith('BEGIN')) asTenant = statement.includes('campanile_tenant');
      const open = asTenant
        ? statement.replace(/[\w.]*\bid = (\$\d+)|[\w.]*_id = (\$\d+)/g, '($1$2::uuid IS NOT NULL)')
        : statement;
      if (open !== statement) opened += 1;
      return client.query(open, values);
    };
    return instead(client, { query });
  };
  return instead(pool, { connect });
}

/** `object` with some methods in place of its own. */
function instead<T extends object>(object: T, methods: Partial<Record<keyof T, unknown>>): T {
  return new Proxy(object, {
    get(target, key) {
      if (key in methods) return methods[key as keyof T];
      const value = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** All rows of a tenant, as text. */
async function rowsOf(tenantId: string): Promise<string> {
  const tables = [
    ...['trunks', 'messages', 'campaigns', 'contacts', 'attempts'],
    ...['suppression_lists', 'suppressed_numbers', 'api_keys', 'sip_accounts', 'audit_log'],
    ...['imports', 'import_rejections', 'erasures', 'campaign_trunks', 'trunk_slices'],
    ...['flows', 'flow_versions', 'flow_secrets', 'inbound_calls'],
    ...['transfer_destinations', 'transfers', 'recordings'],
    ...['event_outbox', 'events', 'webhooks', 'webhook_deliveries'],
  ];
  const found = await Promise.all(
    tables.map((table) =>
      api.db.pool.query(`SELECT to_jsonb(t) AS row FROM ${table} t WHERE tenant_id = $1 ORDER BY t::text`, [
        tenantId,
      ]),
    ),
  );
  return JSON.stringify(found.map(({ rows }) => rows));
}

const named = (list: Route[]) => list.map((route) => ({ name: `${route.method} ${route.path}`, route }));

describe('with the WHERE clauses taken out of its queries', () => {
  it.each(named(routes.filter(({ access }) => access === 'tenant')))(
    "a route neither shows nor changes another tenant's rows: $name",
    async ({ route }) => {
      const before = await rowsOf(owner.id);
      // Its own log has what it sent here before, the ids of others too.
      await api.db.pool.query('DELETE FROM audit_log WHERE tenant_id = $1', [stranger.id]);
      opened = 0;
      const { path, sent } = validRequest(route, {
        campaign: campaignId,
        owner,
        import: importId,
        attempt: attemptId,
        try: tryId,
      });
      const reply = await api.send(route.method, path, { ...sent, token: stranger.token });
      const told = reply.bytes.toString('latin1');
      // What an answer repeats of the request was no secret to who sent it.
      const asked = path + JSON.stringify(sent.body ?? null);
      const secrets = [
        owner.trunkId,
        owner.messageId,
        owner.flowId,
        owner.destinationId,
        owner.recordingId,
        owner.listId,
        owner.keyId,
        owner.erasureId,
        owner.webhookId,
        owner.deliveryId,
        campaignId,
        ...numbers(3),
        onlyOwners,
      ];
      for (const secret of secrets) if (!asked.includes(secret)) expect(told).not.toContain(secret);
      expect(await rowsOf(owner.id)).toBe(before);
      // What is new is put in, whatever there is.
      const isNew = [createMessage, createSuppressionList, createApiKey, makeFlowSecret].includes(route);
      expect(opened).toBeGreaterThan(isNew ? -1 : 0);
    },
  );
});

describe('row-level security', () => {
  it('binds a role that owns nothing, cannot log in and cannot bypass it', async () => {
    const { rows } = await api.db.pool.query(
      `SELECT rolsuper, rolbypassrls, rolcanlogin, rolcreaterole, rolcreatedb,
          (SELECT count(*)::integer FROM pg_class WHERE relowner = r.oid) AS owns,
          (SELECT count(*)::integer FROM pg_auth_members WHERE member = r.oid) AS member_of
        FROM pg_roles r WHERE rolname = 'campanile_tenant'`,
    );
    expect(rows).toEqual([
      {
        rolsuper: false,
        rolbypassrls: false,
        rolcanlogin: false,
        rolcreaterole: false,
        rolcreatedb: false,
        owns: 0,
        member_of: 0,
      },
    ]);
  });

  it('is on every table of tenants, and the role may touch no other', async () => {
    const { rows } = await api.db.pool.query<{
      name: string;
      secured: boolean;
      ours: boolean;
      granted: boolean;
    }>(
      `SELECT c.relname AS name,
          c.relrowsecurity AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'own_tenant')
            AS secured,
          c.relname = 'tenants' OR EXISTS (SELECT FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attname = 'tenant_id') AS ours,
          has_any_column_privilege('campanile_tenant', c.oid, 'SELECT, INSERT, UPDATE')
            OR has_table_privilege('campanile_tenant', c.oid, 'DELETE, TRUNCATE') AS granted
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relkind = 'r' ORDER BY 1`,
    );
    const names = (list: typeof rows) => list.map(({ name }) => name);
    expect(names(rows)).toContain('nodes');
    expect(names(rows.filter(({ ours }) => ours)).length).toBeGreaterThanOrEqual(6);
    expect(names(rows.filter(({ ours, secured }) => ours && !secured))).toEqual([]);
    expect(names(rows.filter(({ ours, granted }) => !ours && granted))).toEqual([]);
  });

  it('takes no row that says it is of another tenant', async () => {
    const write = asTenant(api.db.pool, stranger.id).query(
      `INSERT INTO campaigns (tenant_id, id, name, message_id, ring_seconds, retry, max_attempts)
        VALUES ($1, $2, 'Mine', $3, 30, '{}', 1)`,
      [owner.id, unknownId, owner.messageId],
    );
    await expect(write).rejects.toThrow('row-level security');
  });

  it('ends with the transaction, on whichever connection comes next', async () => {
    const { pool } = api.db;
    await asTenant(pool, stranger.id).query('SELECT');
    for (let i = 0; i < 20; i += 1) {
      const { rows } = await pool.query(
        `SELECT current_user = session_user AS owner, nullif(current_setting('campanile.tenant_id', true), '') AS tenant`,
      );
      expect(rows).toEqual([{ owner: true, tenant: null }]);
    }
    const nothing = transaction(pool, async (tx) => {
      await tx.query('SET LOCAL ROLE campanile_tenant');
      return (await tx.query('SELECT FROM campaigns')).rowCount;
    });
    expect(await nothing).toBe(0);
  });

  it('is asked for with the id of a tenant only', () => {
    expect(() => asTenant(api.db.pool, `${owner.id}'; RESET ROLE; --`)).toThrow(TypeError);
  });
});
