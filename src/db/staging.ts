import { finished } from 'node:stream/promises';
import { from as copyFrom } from 'pg-copy-streams';
import { checkContactsAtOnce, type NewContact } from './contacts.js';
import { connectAlone, type Pool, type Session, type Tx } from './pool.js';

/** A million contacts take 20 s on a small machine; an import of any size shall not run into this. */
const STATEMENT_SECONDS = 2 * 3600;

/**
 * A connection of its own, as the tenant, with a temporary table that contacts are gathered in. The table goes with the
 * connection, so whatever breaks leaves nothing behind. No transaction is open meanwhile: a slow upload would keep
 * vacuum from the whole database.
 */
export async function openStaging(pool: Pool, tenantId: string): Promise<Session> {
  const session = await connectAlone(pool, tenantId, {
    name: 'campanile import',
    statementSeconds: STATEMENT_SECONDS,
    // Made by the owner: a tenant's role has no right to.
    prepare: `CREATE TEMPORARY TABLE staged_contacts
        (id uuid NOT NULL, number text NOT NULL, time_zone text, zones text NOT NULL, fields jsonb NOT NULL,
          priority smallint NOT NULL, consent_basis text, consent_source text, consent_at timestamptz);
      GRANT SELECT, INSERT ON staged_contacts TO campanile_tenant`,
  });
  return session;
}

/** One contact as a line of what `stageContacts` takes: COPY's text format. */
export function renderStaged(contact: NewContact): string {
  const { id, number, time_zone, zones, fields, priority, consent_basis, consent_source, consent_at } =
    contact;
  // JSON escapes tabs and line breaks itself, so only its backslashes mean something to COPY. Zones and numbers have none.
  const json = JSON.stringify(fields).replaceAll('\\', '\\\\');
  const consent = `${quoted(consent_basis)}\t${quoted(consent_source)}\t${consent_at?.toISOString() ?? '\\N'}`;
  return `${id}\t${number}\t${time_zone ?? '\\N'}\t${zones}\t${json}\t${priority}\t${consent}\n`;
}

const ESCAPES: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

function quoted(text: string | null): string {
  return text === null ? '\\N' : text.replace(/[\\\t\n\r]/g, (character) => ESCAPES[character]!);
}

/** Adds contacts, rendered one by one, to the staging table. */
export async function stageContacts(session: Session, lines: Uint8Array): Promise<void> {
  const copy = session.submit(
    copyFrom(`COPY staged_contacts (id, number, time_zone, zones, fields, priority, consent_basis, consent_source,
      consent_at) FROM STDIN`),
  );
  copy.end(lines);
  await finished(copy);
}

/**
 * Makes contacts of what is staged, of each number the first one, and returns how many were new. It is one statement for the
 * reasons that insertContacts gives, and needs lockUploads. In the order in which they came two of three indexes grow at
 * their end, and contacts that are called together lie together.
 */
export async function insertStagedContacts(tx: Tx, tenantId: string, campaignId: string): Promise<number> {
  await tx.query(`SET LOCAL work_mem = '64MB'`);
  await checkContactsAtOnce(tx);
  await tx.query(
    `INSERT INTO campaign_zones (tenant_id, campaign_id, zones, priority)
      SELECT DISTINCT $1::uuid, $2::uuid, zones, priority FROM staged_contacts ORDER BY zones, priority
      ON CONFLICT DO NOTHING`,
    [tenantId, campaignId],
  );
  const { rowCount } = await tx.query(
    `INSERT INTO contacts (tenant_id, id, campaign_id, number, time_zone, zones, fields, priority, consent_basis,
        consent_source, consent_at)
      SELECT $1, id, $2, number, time_zone, zones, fields, priority, consent_basis, consent_source, consent_at
      FROM staged_contacts ORDER BY id
      ON CONFLICT (tenant_id, campaign_id, number) DO NOTHING`,
    [tenantId, campaignId],
  );
  return rowCount ?? 0;
}
