import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { callIdOf } from '../../src/calls/call-id.js';
import { beginTenantDeletion, deleteTenant } from '../../src/db/delete-tenant.js';
import { findAttemptStates } from '../../src/db/open-attempts.js';
import { transaction } from '../../src/db/pool.js';
import { newId } from '../../src/ids.js';
import { createSounds } from '../../src/messages/sounds.js';
import { removeSpoken } from '../../src/messages/speech/cache.js';
import { createDeleteTenants } from '../../src/node/delete-tenants.js';
import { parseCall, parseChannels } from '../../src/node/hang-up.js';
import { fileNameOf } from '../../src/spool/name.js';
import { makeSpool, silent, type TempSpool } from '../spool/temp-spool.js';
import {
  insertCampaignFixture,
  insertTenantFixture,
  numbersFor,
  type TenantFixture,
} from '../support/campaigns.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { rowsOfTenant } from '../support/tenant-rows.js';

let database: TestDatabase;
let spool: TempSpool;
let tenant: TenantFixture;
let campaign: string;
let asked: string[];

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  spool = await makeSpool();
  asked = [];
  await database.pool.query('TRUNCATE tenants, nodes, deleted_tenants CASCADE');
  await database.pool.query(`INSERT INTO nodes (name, ports) VALUES ('here', 9), ('away', 9)`);
  tenant = await insertTenantFixture(database.pool);
  campaign = await insertCampaignFixture(database.pool, tenant, numbersFor('200', 3));
  return () => spool.remove();
});

const begin = (id = tenant.tenantId) => transaction(database.pool, (tx) => beginTenantDeletion(tx, id));
const node = (name = 'here', channels: Record<string, string> = {}) =>
  createDeleteTenants({
    pool: database.pool,
    node: name,
    spool: spool.spool,
    sounds: createSounds({ db: database.pool, directory: join(spool.root, 'sounds'), owner: null }),
    speech: { removeTenant: (id) => removeSpoken(join(spool.root, 'sounds', 'speech'), id) },
    log: silent,
    ask: async (command) => {
      asked.push(command);
      if (command.endsWith('concise'))
        return Object.keys(channels)
          .map((channel) => `${channel}!x!s!1!Up`)
          .join('\n');
      return `Variables:\n__CAMPANILE_CALL=${channels[command.split(' ').at(-1)!]}\nX=1\n`;
    },
  });

/** An open attempt on a node; returns its call id. */
async function call(on: string): Promise<string> {
  const id = newId();
  await database.pool.query(
    `INSERT INTO attempts (tenant_id, id, campaign_id, contact_id, trunk_id, pbx_trunk, node, number, ordinal)
      SELECT $1, $2, $3, id, $4, 'far', $5, number, 1 FROM contacts WHERE campaign_id = $3 LIMIT 1`,
    [tenant.tenantId, id, campaign, tenant.trunkId, on],
  );
  return callIdOf(tenant.tenantId, id);
}
const end = () =>
  database.pool.query(`UPDATE attempts SET state = 'ended', disposition = 'cancelled', ended_at = now()`);
const isThere = async (id = tenant.tenantId) =>
  (await database.pool.query('SELECT FROM tenants WHERE id = $1', [id])).rowCount === 1;

/** A row in every table that has tenants, of `tenant`; the tables that were left empty. */
async function fillTables(): Promise<string[]> {
  const { pool } = database;
  const { tenantId, trunkId } = tenant;
  const list = newId();
  const job = newId();
  await call('here');
  await end();
  await pool.query(`INSERT INTO suppression_lists VALUES ($1, $2, 'list', now())`, [tenantId, list]);
  await pool.query(`INSERT INTO suppressed_numbers VALUES ($1, $2, '+14155550123')`, [tenantId, list]);
  await pool.query(`INSERT INTO imports (tenant_id, id, campaign_id, format) VALUES ($1, $2, $3, 'csv')`, [
    tenantId,
    job,
    campaign,
  ]);
  await pool.query(`INSERT INTO trunk_slices VALUES ($1, $2, now(), 1, 1, 1, 0)`, [tenantId, trunkId]);
  await pool.query(`INSERT INTO erasures VALUES ($1, $2, $3)`, [tenantId, newId(), Buffer.alloc(32)]);
  await pool.query(`INSERT INTO import_rejections VALUES ($1, $2, 1, 'bad', 'row')`, [tenantId, job]);
  await pool.query(`INSERT INTO audit_log (id, tenant_id, role, action) VALUES ($1, $2, 'tenant', 'x')`, [
    newId(),
    tenantId,
  ]);
  await pool.query(
    `INSERT INTO idempotency_keys (id, tenant_id, key, request, answer) VALUES ($1, $2, 'k', 'r', 'a')`,
    [newId(), tenantId],
  );
  await pool.query(
    `INSERT INTO api_keys (tenant_id, id, name, role, prefix, sha256) VALUES ($1, $2, 'k', 'tenant', 'p', repeat('0', 64))`,
    [tenantId, newId()],
  );
  await pool.query(
    `INSERT INTO sip_accounts (tenant_id, id, host, transport, srtp, username, sealed_password, register, caller_ids, codecs)
      VALUES ($1, $2, 'h', 'udp', false, 'u', 'p', false, '{}', '{ulaw}')`,
    [tenantId, trunkId],
  );
  await pool.query(
    `INSERT INTO sip_account_nodes (tenant_id, id, node, checked_at) VALUES ($1, $2, 'here', now())`,
    [tenantId, trunkId],
  );
  const webhook = newId();
  await pool.query(
    `INSERT INTO webhooks (tenant_id, id, url, events, sealed_secret) VALUES ($1, $2, 'https://a', '{*}', '')`,
    [tenantId, webhook],
  );
  await pool.query(
    `INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, event_id, type, body) VALUES ($1, $2, $2, 'e', 't', 'b')`,
    [tenantId, webhook],
  );
  const flow = newId();
  await pool.query(`INSERT INTO flows (tenant_id, id, name) VALUES ($1, $2, 'flow')`, [tenantId, flow]);
  await pool.query(
    `INSERT INTO flow_versions (tenant_id, flow_id, version, definition) VALUES ($1, $2, 1, '{}')`,
    [tenantId, flow],
  );
  await pool.query(
    `INSERT INTO inbound_calls (tenant_id, id, campaign_id, contact_id, attempt_id, number, called)
      VALUES ($1, $2, $3, $2, $2, '+12125550100', '1')`,
    [tenantId, newId(), campaign],
  );
  const attempt = (await pool.query('SELECT id FROM attempts WHERE tenant_id = $1 LIMIT 1', [tenantId]))
    .rows[0].id;
  const destination = newId();
  await pool.query(
    `INSERT INTO transfer_destinations (tenant_id, id, name, kind, target, trunk_id, ports)
      VALUES ($1, $2, 'staff', 'number', '+14155550123', $3, 1)`,
    [tenantId, destination, trunkId],
  );
  await pool.query(
    `INSERT INTO transfers (tenant_id, id, attempt_id, campaign_id, destination_id, step) VALUES ($1, $2, $3, $4, $5, 's')`,
    [tenantId, newId(), attempt, campaign, destination],
  );
  await pool.query(
    `INSERT INTO recordings (tenant_id, id, attempt_id, campaign_id, step, seconds, audio) VALUES ($1, $2, $3, $4, 's', 1, '')`,
    [tenantId, newId(), attempt, campaign],
  );
  await pool.query(`INSERT INTO flow_secrets (tenant_id, sealed_secret) VALUES ($1, '')`, [tenantId]);
  await pool.query('INSERT INTO event_listeners VALUES ($1, now())', [tenantId]);
  for (const [table, columns] of [
    ['events', 'position, '],
    ['event_outbox', ''],
  ]) {
    await pool.query(
      `INSERT INTO ${table} (tenant_id, ${columns}campaign_id, type, at, items)
        VALUES ($1, ${columns && '1, '}$2, 'contacts.added', now(), '[]')`,
      [tenantId, campaign],
    );
  }
  await pool.query(
    `INSERT INTO pace (scope, id, tokens, refilled_at) VALUES ('tenant', $1, 1, now()), ('trunk', $2, 1, now()),
      ('campaign', $3, 1, now()), ('node', 'here', 1, now())`,
    [tenantId, trunkId, campaign],
  );
  const { rows } = await pool.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
      WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'`,
  );
  const filled = Object.keys(await rowsOfTenant(pool, tenantId));
  return rows.map(({ name }) => name).filter((name) => !filled.includes(name));
}

describe('deleting a tenant', () => {
  it('leaves no row in any table, and touches no other tenant', async () => {
    const other = await insertTenantFixture(database.pool);
    await insertCampaignFixture(database.pool, other, numbersFor('200', 3));
    const before = await rowsOfTenant(database.pool, other.tenantId);
    // A table that is new here: give it a row above.
    expect(await fillTables()).toEqual([]);
    await begin();
    expect(await node().run()).toBeGreaterThan(0);
    expect(await rowsOfTenant(database.pool, tenant.tenantId)).toEqual({});
    for (const id of [campaign, tenant.trunkId]) expect(await rowsOfTenant(database.pool, id)).toEqual({});
    expect(await rowsOfTenant(database.pool, other.tenantId)).toEqual(before);
    const { rows } = await database.pool.query('SELECT scope FROM pace');
    expect(rows).toEqual([{ scope: 'node' }]);
  });

  it('deletes in pieces, and goes on after any of them', async () => {
    await database.pool.query(
      `INSERT INTO contacts (tenant_id, id, campaign_id, number)
        SELECT $1, gen_random_uuid(), $2, '+1212' || (3000000 + i) FROM generate_series(1, 25000) i`,
      [tenant.tenantId, campaign],
    );
    await begin();
    const count = async () =>
      (await database.pool.query('SELECT FROM contacts WHERE tenant_id = $1', [tenant.tenantId])).rowCount!;
    // The third piece breaks off.
    await database.pool.query(
      `CREATE FUNCTION break_off() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF (SELECT count(*) FROM contacts) < 10000 THEN RAISE 'broken off'; END IF; RETURN NULL; END $$;
        CREATE TRIGGER break_off AFTER DELETE ON contacts FOR EACH STATEMENT EXECUTE FUNCTION break_off()`,
    );
    await expect(node().run()).rejects.toThrow('broken off');
    expect(await count()).toBe(25_003 - 10_000);
    expect(await isThere()).toBe(true);
    await database.pool.query('DROP FUNCTION break_off CASCADE');
    await node().run();
    expect(await isThere()).toBe(false);
  });

  it('waits for calls that are up, and hangs up its own, no others', async () => {
    const mine = await call('here');
    await call('away');
    await begin();
    const channels = {
      'PJSIP/far-00000001': mine,
      'Local/+1212@campanile-routed-00000001;1': mine,
      'PJSIP/far-00000002': `${newId()}.${newId()}`,
    };
    expect(await node('here', channels).run()).toBe(2);
    expect(asked.filter((command) => command.startsWith('channel request hangup')).sort()).toEqual([
      'channel request hangup Local/+1212@campanile-routed-00000001;1',
      'channel request hangup PJSIP/far-00000001',
    ]);
    expect(await isThere()).toBe(true);
    await end();
    await node().run();
    expect(await isThere()).toBe(false);
  });

  it('does not wait for a node that has been silent for a quarter of an hour', async () => {
    const lost = await call('away');
    await begin();
    const silentFor = (minutes: number) =>
      database.pool.query(
        `UPDATE nodes SET seen_at = now() - make_interval(mins => $1) WHERE name = 'away'`,
        [minutes],
      );
    await silentFor(14);
    await node().run();
    expect(await isThere()).toBe(true);
    await silentFor(15);
    await node().run();
    expect(await isThere()).toBe(false);
    // When it comes back, what it has of the call is a left-over.
    const states = await findAttemptStates(database.pool, [lost, `${newId()}.${newId()}`]);
    expect([...states]).toEqual([[lost, { state: 'ended', sawAnswer: false, hangupAt: null }]]);
  });

  it('waits for no call longer than an hour', async () => {
    await call('here');
    await begin();
    const askedFor = (minutes: number) =>
      database.pool.query(`UPDATE tenants SET deleting_since = now() - make_interval(mins => $1)`, [minutes]);
    await askedFor(59);
    await node().run();
    expect(await isThere()).toBe(true);
    await askedFor(60);
    await node().run();
    expect(await isThere()).toBe(false);
  });

  it('is one node’s work at a time', async () => {
    await begin();
    const holder = await database.pool.connect();
    try {
      await holder.query('BEGIN');
      await holder.query(`SELECT pg_advisory_xact_lock(hashtextextended('delete tenant ' || $1, 0))`, [
        tenant.tenantId,
      ]);
      expect(await deleteTenant(database.pool, tenant.tenantId)).toBe(false);
      await holder.query('COMMIT');
    } finally {
      holder.release();
    }
    expect(await deleteTenant(database.pool, tenant.tenantId)).toBe(true);
  });

  it('removes kept and put-aside call files and sounds on every node, of no other tenant', async () => {
    const hour = join(spool.spool.kept, '2026-11-22T01');
    const sounds = join(spool.root, 'sounds');
    const other = `${newId()}.${newId()}`;
    await mkdir(hour, { recursive: true });
    await mkdir(sounds);
    const speech = join(sounds, 'speech');
    for (const id of [tenant.tenantId, other.split('.')[0]!])
      await mkdir(join(speech, id), { recursive: true });
    await writeFile(join(speech, tenant.tenantId, `${'2'.repeat(64)}.wav`), '');
    for (const directory of [hour, spool.spool.quarantine]) {
      for (const id of [other, `${tenant.tenantId}.${newId()}`])
        await writeFile(join(directory, fileNameOf(id)), '');
    }
    const sound = (digit: string) => join(sounds, `${digit.repeat(64)}.wav`);
    await insertTenantFixture(database.pool, { sha256: '1'.repeat(64) });
    for (const digit of ['0', '1']) await writeFile(sound(digit), '');
    await writeFile(join(sounds, 'of-the-admin.wav'), '');
    const second = node('away');
    await second.run();
    await begin();
    await node().run();
    const left = async () =>
      [
        ...(await readdir(hour)),
        ...(await readdir(spool.spool.quarantine)),
        ...(await readdir(sounds)),
        ...(await readdir(speech)),
      ].sort();
    const wanted = [fileNameOf(other), fileNameOf(other), `${'1'.repeat(64)}.wav`, 'of-the-admin.wav'];
    wanted.push('speech', other.split('.')[0]!);
    wanted.sort();
    expect(await left()).toEqual(wanted);
    // Another node has files of its own.
    await writeFile(sound('0'), '');
    await writeFile(join(hour, fileNameOf(`${tenant.tenantId}.${newId()}`)), '');
    expect(await second.run()).toBe(2);
    expect(await left()).toEqual(wanted);
  });

  it('is nothing where no tenant is', async () => {
    expect(await begin(newId())).toBeNull();
    expect(await node().run()).toBe(0);
    expect(asked).toEqual([]);
  });
});

describe("Asterisk's console", () => {
  it('tells the channels, and which call one belongs to', () => {
    const concise =
      'PJSIP/far-0000000a!campanile-answered!s!4!Up!AGI!x,y!+1!!!3!5!!1763776800.12\n' +
      'Local/+12125550100@campanile-routed-00000003;2!x!s!1!Ring!!!!!!3!0!!1\nodd name!x\n\n';
    expect(parseChannels(concise)).toEqual([
      'PJSIP/far-0000000a',
      'Local/+12125550100@campanile-routed-00000003;2',
    ]);
    expect(parseCall('      Variables:\nCAMPANILE_CALL=a.b\nCAMPANILE_TOKEN=t\n')).toBe('a.b');
    expect(parseCall('CAMPANILE_CALLER=a.b\n')).toBeNull();
  });
});
