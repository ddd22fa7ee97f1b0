import { it } from 'vitest';
import { createApi } from '/work/main/src/api/server.js';
import { issueToken } from '/work/main/src/api/token.js';
import { transaction } from '/work/main/src/db/pool.js';
import { createLog } from '/work/main/src/log.js';
import { insertContacts, cancelContacts } from '/work/main/src/db/contacts.js';
import { lockCampaign } from '/work/main/src/db/campaigns.js';
import { newId } from '/work/main/src/ids.js';
import { createTestDatabase } from '/work/main/test/support/database.js';
import { insertCampaignFixture, insertTenantFixture } from '/work/main/test/support/campaigns.js';
it('perf', { timeout: 600000 }, async () => {
  const db = await createTestDatabase();
  const t = await insertTenantFixture(db.pool);
  const c = await insertCampaignFixture(db.pool, t, []);
  for (let k = 0; k < 10; k++) {
    const list = Array.from({ length: 100000 }, (_, i) => ({ id: newId(), number: `+4930${1_000_0000 + k * 100000 + i}`, fields: { name: 'Ada Lovelace', amount: '12.50', city: 'London' } }));
    const s = performance.now();
    await transaction(db.pool, async (tx) => {
      await insertContacts(tx, t.tenantId, c, list);
      console.log('insert 100k', k, Math.round(performance.now() - s));
      await lockCampaign(tx, t.tenantId, c);
    });
  }
  for (const n of [100000, 1000000]) {
    const s = performance.now();
    await transaction(db.pool, async (tx) => {
      await tx.query('SET LOCAL statement_timeout = 0');
      await lockCampaign(tx, t.tenantId, c);
      if (n === 1000000) await cancelContacts(tx, t.tenantId, c);
      else await tx.query(`UPDATE contacts SET state='cancelled' WHERE id IN (SELECT id FROM contacts WHERE campaign_id=$1 AND state='pending' LIMIT ${n})`, [c]);
      console.log('cancel', n, Math.round(performance.now() - s));
    }).catch((e) => console.log('cancel failed', n, e.message, Math.round(performance.now() - s)));
  }
  const s2 = performance.now();
  for (let i=0;i<10;i++) await db.pool.query(`SELECT id FROM contacts WHERE tenant_id=$1 AND campaign_id=$2 AND ($3::text IS NULL OR state=$3) AND ($4::uuid IS NULL OR number > (SELECT number FROM contacts WHERE tenant_id=$1 AND campaign_id=$2 AND id=$4)) ORDER BY number LIMIT 1001`, [t.tenantId, c, null, null]);
  console.log('list x10', Math.round(performance.now()-s2));
  const s3 = performance.now();
  await db.pool.query(`SELECT id FROM contacts WHERE tenant_id=$1 AND campaign_id=$2 AND ($3::text IS NULL OR state=$3) ORDER BY number LIMIT 1001`, [t.tenantId, c, 'busy']);
  console.log('list by rare state', Math.round(performance.now()-s3));
  await db.drop();
});
