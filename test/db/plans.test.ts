import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countOpenPorts } from '../../src/db/claim.js';
import { findCalledBack } from '../../src/db/inbound-calls.js';
import type { Tx } from '../../src/db/pool.js';
import { listNextContacts } from '../../src/db/speech.js';
import { insertCampaignFixture, insertTenantFixture, numbersFor } from '../support/campaigns.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const CONTACTS = 20_000;
const OPEN = 20;

let database: TestDatabase;
let tenantId: string;
let campaignId: string;
const [called = '', ...others] = numbersFor('201', CONTACTS);

/** A campaign that has called all its contacts before, and now has 20 calls up; all contacts are due. */
beforeAll(async () => {
  database = await createTestDatabase();
  const { pool } = database;
  const tenant = await insertTenantFixture(pool);
  tenantId = tenant.tenantId;
  campaignId = await insertCampaignFixture(pool, tenant, [called, ...others]);
  await pool.query('ALTER TABLE attempts DISABLE TRIGGER USER');
  await pool.query(
    `INSERT INTO attempts (tenant_id, id, campaign_id, contact_id, node, ordinal, state, disposition, number, trunk_id, pbx_trunk,
        claimed_at, ended_at)
      SELECT c.tenant_id, uuidv7(), c.campaign_id, c.id, 'main', 1, CASE WHEN n <= $1 THEN 'open' ELSE 'ended' END,
        CASE WHEN n > $1 THEN 'busy' END, c.number, t.id, 'far', now(), CASE WHEN n > $1 THEN now() END
      FROM (SELECT *, row_number() OVER () AS n FROM contacts) AS c CROSS JOIN LATERAL (SELECT id FROM trunks LIMIT 1) AS t`,
    [OPEN],
  );
  await pool.query('VACUUM ANALYZE');
});
afterAll(() => database.drop());

interface Plan {
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: Plan[];
}

/** How many rows of contacts and attempts each query of `work` reads, as EXPLAIN ANALYZE counts them. */
async function rowsRead(work: (db: Tx) => Promise<unknown>): Promise<number> {
  let read = 0;
  const count = (plan: Plan): void => {
    if (['contacts', 'attempts'].includes(plan['Relation Name'] ?? ''))
      read += (plan['Actual Rows'] + (plan['Rows Removed by Filter'] ?? 0)) * plan['Actual Loops'];
    plan.Plans?.forEach(count);
  };
  const query = async (asked: string | { text: string; values?: unknown[] }, values?: unknown[]) => {
    const { text, values: given = values } = typeof asked === 'string' ? { text: asked } : asked;
    const { rows } = await database.pool.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, given);
    count(rows[0]['QUERY PLAN'][0].Plan);
    return database.pool.query(text, given);
  };
  await work({ query } as unknown as Tx);
  return read;
}

describe('what is asked all the time reads few rows of large tables', () => {
  it('the calls that are up', async () => {
    expect(await rowsRead((tx) => countOpenPorts(tx, false))).toBeLessThanOrEqual(2 * OPEN);
  });

  it('the contacts whose texts are spoken ahead', async () => {
    const read = await rowsRead(async (tx) => {
      expect(await listNextContacts(tx, { tenantId, campaignId }, 50, 120)).toHaveLength(50);
    });
    expect(read).toBeLessThanOrEqual(100);
  });

  it('whose call somebody calls back', async () => {
    const read = await rowsRead(async (tx) => {
      const found = await findCalledBack(tx, [{ number: called, region: null }], []);
      expect(found).toMatchObject({ campaignId, number: called });
    });
    expect(read).toBeLessThanOrEqual(10);
  });
});
