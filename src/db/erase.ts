import { eraseInEvents, eraseInLateEvents } from './erase-events.js';
import { completeCampaigns } from './finish.js';
import { type Db, type TenantDatabase, type Tx, transaction } from './pool.js';
import { holds, type Traces } from './traces.js';

/** What was erased, in rows. */
export interface Erased {
  contacts: number;
  attempts: number;
  suppressions: number;
  /** Other rows that named the number: fields of other contacts, rejected rows of imports, requests in the audit log, events. */
  mentions: number;
}

/**
 * Erases what else names a number in a tenant's data: to be done before `eraseRows`, so that a request which is cut off has not
 * been answered, and asking again erases the rest. Returns how many rows that were.
 */
export async function eraseMentions(db: TenantDatabase, tenantId: string, traces: Traces): Promise<number> {
  let mentions = await eraseInContacts(db, tenantId, traces);
  mentions += await eraseInAnswers(db, tenantId, traces);
  mentions += await eraseInImports(db, tenantId, traces);
  mentions += await eraseInAudit(db, tenantId, traces);
  mentions += await eraseInEvents(db, tenantId, traces);
  return mentions;
}

/** The tenants that have the number in a contact, or on a suppression list. */
export async function findTenantsWith(tx: Tx, number: string): Promise<string[]> {
  const { rows } = await tx.query<{ id: string }>(
    `SELECT id FROM tenants t
      WHERE EXISTS (SELECT FROM suppressed_numbers s WHERE s.number = $1 AND s.tenant_id = t.id)
        OR EXISTS (SELECT FROM campaigns p JOIN contacts c ON c.campaign_id = p.id AND c.number = $1 AND c.tenant_id = p.tenant_id
          WHERE p.tenant_id = t.id)
      ORDER BY id`,
    [number],
  );
  return rows.map(({ id }) => id);
}

/**
 * Takes the number from whoever has it in a tenant's data. Rows of contacts and attempts stay without number and fields, so
 * that a campaign's figures are what they were; a call under way ends as it would have. The transaction must have its turn
 * (src/db/turn.ts) and keep what forbids to call the number again, so that no claim comes between.
 */
export async function eraseRows(tx: Tx, tenantId: string, number: string): Promise<Omit<Erased, 'mentions'>> {
  const { rows } = await tx.query<{ id: string }>(
    `SELECT p.id FROM campaigns p WHERE p.tenant_id = $1
        AND EXISTS (SELECT FROM contacts c WHERE c.campaign_id = p.id AND c.number = $2 AND c.tenant_id = p.tenant_id)
      ORDER BY p.tenant_id, p.id FOR NO KEY UPDATE`,
    [tenantId, number],
  );
  const campaigns = rows.map(({ id }) => id);
  const attempts = await tx.query(
    `UPDATE attempts SET number = 'erased ' || contact_id, steps = NULL, answers = NULL WHERE tenant_id = $1 AND number = $2`,
    [tenantId, number],
  );
  await tx.query(
    `UPDATE inbound_calls SET number = 'erased ' || contact_id, steps = NULL, answers = NULL
      WHERE tenant_id = $1 AND number = $2`,
    [tenantId, number],
  );
  // What he said, also where it waits in a file of a node: an attempt without its number takes none.
  await tx.query(
    `DELETE FROM recordings r USING attempts a, contacts c
      WHERE r.tenant_id = $1 AND r.campaign_id = ANY($2::uuid[]) AND a.tenant_id = r.tenant_id AND a.id = r.attempt_id
        AND c.tenant_id = a.tenant_id AND c.id = a.contact_id AND c.number = $3`,
    [tenantId, campaigns, number],
  );
  const contacts = await tx.query(
    `UPDATE contacts SET number = 'erased ' || id, fields = '{}', time_zone = NULL, consent_basis = NULL,
        consent_source = NULL, consent_at = NULL, problem = NULL, updated_at = statement_timestamp(),
        state = CASE WHEN state IN ('pending', 'retrying') THEN 'suppressed' ELSE state END
      WHERE tenant_id = $1 AND campaign_id = ANY($2::uuid[]) AND number = $3`,
    [tenantId, campaigns, number],
  );
  const suppressions = await tx.query('DELETE FROM suppressed_numbers WHERE tenant_id = $1 AND number = $2', [
    tenantId,
    number,
  ]);
  await completeCampaigns(tx, campaigns);
  await eraseInLateEvents(tx, tenantId, number);
  return {
    contacts: contacts.rowCount ?? 0,
    attempts: attempts.rowCount ?? 0,
    suppressions: suppressions.rowCount ?? 0,
  };
}

/** Fields of other contacts that hold the number go, and it goes from what is said of their consent. */
async function eraseInContacts(
  db: TenantDatabase,
  tenantId: string,
  { number, national, pattern }: Traces,
): Promise<number> {
  return eraseByCampaign(
    db,
    tenantId,
    async (campaign) => {
      const { rows } = await db.query<{ id: string }>(
        `SELECT id FROM contacts WHERE tenant_id = $1 AND campaign_id = $4 AND number <> $5
            AND (${holds('fields::text')} OR ${holds("concat_ws(' ', consent_basis, consent_source, problem)")})`,
        [tenantId, national, pattern, campaign, number],
      );
      return rows;
    },
    async (tx, ids) => {
      await tx.query(
        `UPDATE contacts SET consent_basis = regexp_replace(consent_basis, $2, 'erased', 'g'),
            consent_source = regexp_replace(consent_source, $2, 'erased', 'g'),
            problem = regexp_replace(problem, $2, 'erased', 'g'),
            fields = (SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(fields)
              WHERE key !~ $2 AND value::text !~ $2)
          WHERE tenant_id = $1 AND id = ANY($3::uuid[])`,
        [tenantId, pattern, ids],
      );
    },
  );
}

/** What others said or pressed that holds the number: of such a call nothing stays but that it was. */
async function eraseInAnswers(
  db: TenantDatabase,
  tenantId: string,
  { number, national, pattern }: Traces,
): Promise<number> {
  const mentions = await eraseByCampaign(
    db,
    tenantId,
    async (campaign) => {
      const { rows } = await db.query<{ id: string }>(
        `SELECT id FROM attempts WHERE tenant_id = $1 AND campaign_id = $4 AND number <> $5
            AND (${holds('steps::text')} OR ${holds('answers::text')})`,
        [tenantId, national, pattern, campaign, number],
      );
      return rows;
    },
    async (tx, ids) => {
      await tx.query(
        'UPDATE attempts SET steps = NULL, answers = NULL WHERE tenant_id = $1 AND id = ANY($2::uuid[])',
        [tenantId, ids],
      );
    },
  );
  const inbound = await db.query(
    `UPDATE inbound_calls SET steps = NULL, answers = NULL
      WHERE tenant_id = $1 AND number <> $4 AND (${holds('steps::text')} OR ${holds('answers::text')})`,
    [tenantId, national, pattern, number],
  );
  return mentions + (inbound.rowCount ?? 0);
}

/**
 * Erases in the rows that `find` finds, campaign by campaign; returns how many. They are looked for before the campaign is
 * locked: its calls must not wait for a million rows to be read.
 */
async function eraseByCampaign(
  db: TenantDatabase,
  tenantId: string,
  find: (campaignId: string) => Promise<{ id: string }[]>,
  erase: (tx: Tx, ids: string[]) => Promise<void>,
): Promise<number> {
  const { rows: campaigns } = await db.query<{ id: string }>(
    'SELECT id FROM campaigns WHERE tenant_id = $1',
    [tenantId],
  );
  let erased = 0;
  for (const { id } of campaigns) {
    const found = await find(id);
    if (found.length === 0) continue;
    await transaction(db, async (tx) => {
      await lockAnyCampaign(tx, tenantId, id);
      await erase(
        tx,
        found.map((row) => row.id),
      );
    });
    erased += found.length;
  }
  return erased;
}

/** Rejected rows that hold the number hold its person as well: nothing of them stays but the line. */
async function eraseInImports(db: Db, tenantId: string, { national, pattern }: Traces): Promise<number> {
  const { rows } = await db.query<{ id: string }>('SELECT id FROM imports WHERE tenant_id = $1', [tenantId]);
  let mentions = 0;
  for (const { id } of rows) {
    const rejections = await db.query(
      `UPDATE import_rejections SET row = 'erased', reason = 'erased'
        WHERE tenant_id = $1 AND import_id = $4 AND (${holds('row')} OR ${holds('reason')})`,
      [tenantId, national, pattern, id],
    );
    mentions += rejections.rowCount ?? 0;
  }
  const imports = await db.query(
    `UPDATE imports SET name = regexp_replace(name, $3, 'erased', 'g') WHERE tenant_id = $1 AND ${holds('name')}`,
    [tenantId, national, pattern],
  );
  return mentions + (imports.rowCount ?? 0);
}

async function eraseInAudit(db: Db, tenantId: string, { national, pattern }: Traces): Promise<number> {
  const { rowCount } = await db.query(
    `UPDATE audit_log SET request = '"erased"' WHERE tenant_id = $1 AND ${holds('request::text')}`,
    [tenantId, national, pattern],
  );
  return rowCount ?? 0;
}

/** Erases what the installation itself knows of a number, beside its tenants; returns how many rows that were. */
export async function eraseFromInstallation(
  db: Db,
  { number, national, pattern }: Traces,
): Promise<{ suppressions: number; mentions: number }> {
  const suppressions = await db.query('DELETE FROM installation_suppressions WHERE number = $1', [number]);
  const mentions = await db.query(
    `UPDATE audit_log SET request = '"erased"'
      WHERE tenant_id IS NULL AND $1::text IS NOT NULL AND ${holds('request::text')}`,
    [number, national, pattern],
  );
  return { suppressions: suppressions.rowCount ?? 0, mentions: mentions.rowCount ?? 0 };
}

/** As lockCampaign does, tries of flows too. */
async function lockAnyCampaign(tx: Tx, tenantId: string, id: string): Promise<void> {
  await tx.query('SELECT FROM campaigns WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE', [tenantId, id]);
}
