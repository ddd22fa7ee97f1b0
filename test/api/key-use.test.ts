import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createKeyUse } from '../../src/api/key-use.js';
import { findApiKeyByHash, insertApiKey, type UsableKey } from '../../src/db/api-keys.js';
import type { Db } from '../../src/db/pool.js';
import { insertTenant } from '../../src/db/tenants.js';
import { newId } from '../../src/ids.js';
import { createLog } from '../../src/log.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const log = createLog('silent');
let db: TestDatabase;
let tenantId: string;
let sha256: string;
let asked: number;
let counted: Db;

beforeAll(async () => {
  db = await createTestDatabase();
  tenantId = newId();
  const limits = {
    ports: 1,
    calls_per_second: null,
    default_region: null,
    time_zone: null,
    max_contacts: null,
    requests_per_minute: null,
    frequency_caps: { per_day: null, per_30_days: null },
    silent_call_lockout_hours: 120,
    recordings_days: null,
    suspended: false,
  };
  await insertTenant(db.pool, { id: tenantId, name: 'Parish', ...limits });
  counted = {
    query: (...args: Parameters<Db['query']>) => {
      asked += 1;
      return db.pool.query(...args);
    },
  } as Db;
});
afterAll(() => db.drop());

let made = 0;
beforeEach(async () => {
  asked = 0;
  sha256 = String(++made).padStart(64, '0');
  await insertApiKey(db.pool, tenantId, { id: newId(), name: 'CRM', role: 'tenant', prefix: 'cmp_', sha256 });
});

const find = async (): Promise<UsableKey> => (await findApiKeyByHash(db.pool, sha256))!;
/** As text: two writes may lie within the millisecond that a Date knows. */
const lastUse = async (): Promise<string | null> =>
  (await db.pool.query('SELECT last_used_at::text AS at FROM api_keys WHERE sha256 = $1', [sha256])).rows[0]
    .at;
const age = (seconds: number) =>
  db.pool.query(`UPDATE api_keys SET last_used_at = now() - $2 * interval '1 second' WHERE sha256 = $1`, [
    sha256,
    seconds,
  ]);

describe('the use of a key', () => {
  it('is written once, however often it is noted meanwhile', async () => {
    const use = createKeyUse(counted, log);
    const key = await find();
    for (let i = 0; i < 20; i++) use.note(key);
    await use.settled();
    expect(asked).toBe(1);
    expect(await lastUse()).not.toBeNull();
  });

  it('is not written within a minute of the last time', async () => {
    await age(50);
    const before = await lastUse();
    const use = createKeyUse(counted, log);
    use.note(await find());
    await use.settled();
    expect(asked).toBe(0);
    expect(await lastUse()).toEqual(before);
  });

  it('is written again after a minute', async () => {
    await age(61);
    const before = (await lastUse())!;
    const use = createKeyUse(counted, log);
    use.note(await find());
    await use.settled();
    expect((await lastUse())! > before).toBe(true);
  });

  it('is left as another process wrote it', async () => {
    const [one, other] = [createKeyUse(counted, log), createKeyUse(counted, log)];
    const key = await find();
    one.note(key);
    await one.settled();
    const written = await lastUse();
    other.note(key);
    await other.settled();
    expect(asked).toBe(2);
    expect(await lastUse()).toEqual(written);
  });
});
