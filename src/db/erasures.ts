import type { TakenContact } from './claim.js';
import type { Db, Tx } from './pool.js';
import type { Page } from './tenants.js';

/** That a person was erased; of whom, only the hash of the number tells. */
export interface Erasure {
  id: string;
  erased_at: Date;
}

/** Keeps the hash of an erased number, of which one entry is enough: the one that is there is returned. */
export async function insertErasure(db: Db, tenantId: string, id: string, hash: Buffer): Promise<Erasure> {
  const { rows } = await db.query<Erasure>(
    `WITH added AS (
        INSERT INTO erasures (tenant_id, id, number_hash) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
        RETURNING id, erased_at)
      SELECT * FROM added
      UNION ALL SELECT id, erased_at FROM erasures WHERE tenant_id = $1 AND number_hash = $3`,
    [tenantId, id, hash],
  );
  return rows[0]!;
}

/** As `insertErasure`, for all tenants. */
export async function insertInstallationErasure(db: Db, id: string, hash: Buffer): Promise<Erasure> {
  const { rows } = await db.query<Erasure>(
    `WITH added AS (
        INSERT INTO installation_erasures (id, number_hash) VALUES ($1, $2) ON CONFLICT DO NOTHING
        RETURNING id, erased_at)
      SELECT * FROM added UNION ALL SELECT id, erased_at FROM installation_erasures WHERE number_hash = $2`,
    [id, hash],
  );
  return rows[0]!;
}

export async function listErasures(db: Db, tenantId: string, page: Page): Promise<Erasure[]> {
  const { rows } = await db.query<Erasure>(
    `SELECT id, erased_at FROM erasures
      WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3`,
    [tenantId, page.after, page.limit],
  );
  return rows;
}

export async function listInstallationErasures(db: Db, page: Page): Promise<Erasure[]> {
  const { rows } = await db.query<Erasure>(
    `SELECT id, erased_at FROM installation_erasures WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2`,
    [page.after, page.limit],
  );
  return rows;
}

/** Whether there was such an entry. Its number may be called again. */
export async function deleteErasure(db: Db, tenantId: string, id: string): Promise<boolean> {
  const { rowCount } = await db.query('DELETE FROM erasures WHERE tenant_id = $1 AND id = $2', [
    tenantId,
    id,
  ]);
  return rowCount === 1;
}

export async function deleteInstallationErasure(db: Db, id: string): Promise<boolean> {
  const { rowCount } = await db.query('DELETE FROM installation_erasures WHERE id = $1', [id]);
  return rowCount === 1;
}

/** Those of the contacts whose numbers (`hashes`, in the same order) are of erased persons. */
export async function findErasedContacts(
  tx: Tx,
  contacts: readonly TakenContact[],
  hashes: readonly Buffer[],
): Promise<TakenContact[]> {
  const { rows } = await tx.query<{ n: number }>({
    name: 'find-erased-contacts',
    text: `SELECT k.n FROM unnest($1::uuid[], $2::bytea[]) WITH ORDINALITY AS k(tenant_id, hash, n)
      WHERE EXISTS (SELECT FROM erasures e WHERE e.number_hash = k.hash AND e.tenant_id = k.tenant_id)
        OR EXISTS (SELECT FROM installation_erasures e WHERE e.number_hash = k.hash)`,
    values: [contacts.map((contact) => contact.tenant_id), hashes],
  });
  return rows.map(({ n }) => contacts[n - 1]!);
}

/** Undoes what `takeDueContacts` did with these contacts in the same transaction: they are `suppressed`, and were never called. */
export async function suppressTakenContacts(tx: Tx, contacts: readonly TakenContact[]): Promise<void> {
  await tx.query({
    name: 'suppress-taken-contacts',
    text: `WITH undone AS (
        DELETE FROM attempts a USING unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, id)
        WHERE a.tenant_id = k.tenant_id AND a.id = k.id RETURNING a.tenant_id, a.contact_id
      )
      UPDATE contacts c SET state = 'suppressed', attempts = c.attempts - 1
      FROM undone u WHERE c.tenant_id = u.tenant_id AND c.id = u.contact_id`,
    values: [contacts.map((contact) => contact.tenant_id), contacts.map((contact) => contact.attempt_id)],
  });
}
