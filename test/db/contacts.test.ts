import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { lockCampaign } from '../../src/db/campaigns.js';
import { cancelContacts, insertContacts, lockUploads, type NewContact } from '../../src/db/contacts.js';
import { transaction } from '../../src/db/pool.js';
import { newId } from '../../src/ids.js';
import {
  countersOf,
  insertCampaignFixture,
  insertTenantFixture,
  type TenantFixture,
} from '../support/campaigns.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

let db: TestDatabase;
let tenant: TenantFixture;
let campaignId: string;
beforeAll(async () => {
  db = await createTestDatabase();
  tenant = await insertTenantFixture(db.pool);
});
afterAll(() => db.drop());
beforeEach(async () => {
  campaignId = await insertCampaignFixture(db.pool, tenant, []);
});

const contacts = (count: number): NewContact[] =>
  Array.from({ length: count }, (_, i) => ({
    id: newId(),
    number: `+4930${1_000_000 + i}`,
    fields: {},
    zones: '',
    time_zone: null,
    priority: 5,
    consent_basis: null,
    consent_source: null,
    consent_at: null,
  }));

async function expectCounters(): Promise<Record<string, number>> {
  const { kept, counted } = await countersOf(db.pool, campaignId);
  expect(kept).toEqual(counted);
  return kept;
}

describe('insertContacts', () => {
  it('returns how many were new', async () => {
    const first = contacts(3);
    const again = contacts(5);
    await transaction(db.pool, async (tx) => {
      expect(await insertContacts(tx, tenant.tenantId, campaignId, first)).toBe(3);
      expect(await insertContacts(tx, tenant.tenantId, campaignId, again)).toBe(2);
      expect(await insertContacts(tx, tenant.tenantId, campaignId, again)).toBe(0);
      expect(await insertContacts(tx, tenant.tenantId, campaignId, [])).toBe(0);
    });
    expect(await expectCounters()).toMatchObject({ pending: 5 });
  });

  it('keeps whatever is in the fields', async () => {
    const fields = {
      quote: '"',
      slash: '\\',
      brace: '{}',
      comma: 'a,b',
      line: '\n',
      null: null,
      text: 'NULL',
      n: 1e21,
    };
    await transaction(db.pool, (tx) =>
      insertContacts(tx, tenant.tenantId, campaignId, [{ ...contacts(1)[0]!, fields }]),
    );
    const { rows } = await db.pool.query('SELECT fields FROM contacts WHERE campaign_id = $1', [campaignId]);
    expect(rows).toEqual([{ fields }]);
  });
});

describe('lockUploads', () => {
  it('keeps two uploads of the same numbers in opposite order from waiting for each other in a circle', async () => {
    const upload = (list: NewContact[]) =>
      transaction(db.pool, async (tx) => {
        await lockUploads(tx, tenant.tenantId, campaignId);
        return insertContacts(tx, tenant.tenantId, campaignId, list);
      });
    const added = await Promise.all([upload(contacts(20_000)), upload(contacts(20_000).reverse())]);
    expect(added.sort()).toEqual([0, 20_000]);
    expect(await expectCounters()).toMatchObject({ pending: 20_000 });
  });

  it('does not keep uploads to other campaigns waiting', async () => {
    const other = await insertCampaignFixture(db.pool, tenant, []);
    await transaction(db.pool, async (tx) => {
      await lockUploads(tx, tenant.tenantId, campaignId);
      await transaction(db.pool, (inner) => lockUploads(inner, tenant.tenantId, other));
    });
  });
});

describe('cancelContacts', () => {
  it('cancels what waits and nothing else', async () => {
    await transaction(db.pool, (tx) => insertContacts(tx, tenant.tenantId, campaignId, contacts(6)));
    for (const [i, state] of ['calling', 'retrying', 'answered', 'busy'].entries()) {
      await db.pool.query('UPDATE contacts SET state = $2 WHERE campaign_id = $1 AND number = $3', [
        campaignId,
        state,
        contacts(6)[i]!.number,
      ]);
    }
    await transaction(db.pool, async (tx) => {
      await lockCampaign(tx, tenant.tenantId, campaignId);
      expect(await cancelContacts(tx, tenant.tenantId, campaignId, 2)).toBe(2);
      expect(await cancelContacts(tx, tenant.tenantId, campaignId, 2)).toBe(1);
    });
    expect(await expectCounters()).toMatchObject({
      pending: 0,
      retrying: 0,
      calling: 1,
      cancelled: 3,
      answered: 1,
    });
  });
});

describe('a contact belongs to a campaign', () => {
  const insert = (tenantId: string, campaign: string) =>
    db.pool.query(
      `INSERT INTO contacts (tenant_id, id, campaign_id, number) VALUES ($1, $2, $3, '+4930999999')`,
      [tenantId, newId(), campaign],
    );

  it('that exists, and is of its tenant', async () => {
    const other = await insertTenantFixture(db.pool);
    await expect(insert(tenant.tenantId, newId())).rejects.toMatchObject({ code: '23503' });
    await expect(insert(other.tenantId, campaignId)).rejects.toMatchObject({ code: '23503' });
    await insert(tenant.tenantId, campaignId);
    // The campaign's zones are known now; the key holds all the same.
    await expect(insert(other.tenantId, campaignId)).rejects.toMatchObject({ code: '23503' });
  });

  it('and is checked when it is uploaded, not when that commits, which would keep the campaign locked meanwhile', async () => {
    const later = transaction(db.pool, async (tx) => {
      await insertContacts(tx, tenant.tenantId, campaignId, contacts(2));
      const row = `'${tenant.tenantId}', '${newId()}', '${campaignId}', '+4930999999', 'Nowhere'`;
      await tx.query(`INSERT INTO contacts (tenant_id, id, campaign_id, number, zones) VALUES (${row})`);
    });
    await expect(later).rejects.toMatchObject({ code: '23503' });
  });

  it('and stays with it', async () => {
    await insert(tenant.tenantId, campaignId);
    const another = await insertCampaignFixture(db.pool, tenant, []);
    const move = db.pool.query('UPDATE contacts SET campaign_id = $2 WHERE campaign_id = $1', [
      campaignId,
      another,
    ]);
    await expect(move).rejects.toThrow('cannot move');
  });

  it('and goes with it', async () => {
    await insert(tenant.tenantId, campaignId);
    await db.pool.query('DELETE FROM campaigns WHERE id = $1', [campaignId]);
    const { rowCount } = await db.pool.query('SELECT FROM contacts WHERE campaign_id = $1', [campaignId]);
    expect(rowCount).toBe(0);
  });
});
