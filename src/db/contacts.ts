import type { ContactState, HeldFor } from '../calls/states.js';
import { readCursor } from './cursor.js';
import type { Db, Tx } from './pool.js';
import type { Page } from './tenants.js';

export type FieldValue = string | number | boolean | null;

export interface NewContact {
  id: string;
  /** E.164. */
  number: string;
  /** An IANA name; null when it is not known. */
  time_zone: string | null;
  fields: Record<string, FieldValue>;
  /** 0 to 9, the highest is called first. */
  priority: number;
  /** On what the consent to be called rests; null when none is known, and then the next two are null as well. */
  consent_basis: string | null;
  consent_source: string | null;
  consent_at: Date | null;
  /** The time zones that it may be in: IANA names in their order, with blanks between them; '' when none is known. */
  zones: string;
}

export interface Contact extends Omit<NewContact, 'zones'> {
  campaign_id: string;
  state: ContactState;
  /** When the next attempt may start; null once the contact has ended. */
  due_at: Date | null;
  /** What keeps it from being called until `due_at`, though it was due before. */
  held_for: HeldFor | null;
  /** Why its text could not be spoken yet, or can never be, in words. */
  problem: string | null;
  attempts: number;
  created_at: Date;
  updated_at: Date;
}

/**
 * Waits until no other upload to the campaign is under way, until the transaction ends. Two that insert the same new
 * numbers in a different order would each wait for the other's row, and Postgres would break one of them off.
 */
export async function lockUploads(tx: Tx, tenantId: string, campaignId: string): Promise<void> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('contacts ' || $1 || ' ' || $2, 0))`, [
    tenantId,
    campaignId,
  ]);
}

/**
 * From now on contacts need their rows in campaign_zones when the statement ends that adds them, before its trigger locks the
 * campaign; and not when the transaction commits, for which the campaign would have to wait.
 */
export async function checkContactsAtOnce(tx: Tx): Promise<void> {
  await tx.query('SET CONSTRAINTS contacts_campaign_zones_fkey IMMEDIATE');
}

/**
 * Adds contacts that the campaign does not have yet and returns how many those were.
 *
 * It is one statement however many they are: the trigger that counts them locks the campaign when the statement ends,
 * so every further one would run while claims and endings of that campaign's calls wait for it. They go as JSON
 * because pg takes five times as long to write arrays, and nothing else runs in this process meanwhile.
 */
export async function insertContacts(
  tx: Tx,
  tenantId: string,
  campaignId: string,
  contacts: readonly NewContact[],
): Promise<number> {
  await checkContactsAtOnce(tx);
  const { rowCount } = await tx.query(
    `WITH given AS MATERIALIZED (
        SELECT * FROM json_to_recordset($3::json)
          AS c(id uuid, number text, time_zone text, fields jsonb, zones text, priority smallint, consent_basis text,
            consent_source text, consent_at timestamptz)
      ), zones AS (
        INSERT INTO campaign_zones (tenant_id, campaign_id, zones, priority)
        SELECT DISTINCT $1::uuid, $2::uuid, zones, priority FROM given ORDER BY zones, priority ON CONFLICT DO NOTHING
      )
      INSERT INTO contacts (tenant_id, id, campaign_id, number, time_zone, fields, zones, priority, consent_basis,
        consent_source, consent_at)
      SELECT $1, id, $2, number, time_zone, fields, zones, priority, consent_basis, consent_source, consent_at FROM given
      ON CONFLICT (tenant_id, campaign_id, number) DO NOTHING`,
    [tenantId, campaignId, JSON.stringify(contacts)],
  );
  return rowCount ?? 0;
}

const COLUMNS = `id, campaign_id, number, time_zone, priority, consent_basis, consent_source, consent_at, fields, state,
  attempts, created_at, updated_at, CASE WHEN state IN ('pending', 'retrying') THEN due_at END AS due_at,
  CASE WHEN state IN ('pending', 'retrying') AND due_at > statement_timestamp() THEN held_for END AS held_for,
  CASE WHEN held_for = 'speech' AND state IN ('pending', 'retrying') OR state = 'invalid' THEN problem END AS problem`;

/** A campaign's contacts by number, which its unique index keeps in order; in one state when `state` is not null. */
export async function listContacts(
  db: Db,
  tenantId: string,
  campaignId: string,
  state: ContactState | null,
  page: Page,
): Promise<Contact[]> {
  const { rows } = await db.query<Contact>(
    `SELECT ${COLUMNS} FROM contacts
      WHERE tenant_id = $1 AND campaign_id = $2 AND ($3::text IS NULL OR state = $3)
        AND ($4::uuid IS NULL OR number > (SELECT number FROM contacts
          WHERE tenant_id = $1 AND campaign_id = $2 AND id = $4))
      ORDER BY number LIMIT $5`,
    [tenantId, campaignId, state, page.after, page.limit],
  );
  return rows;
}

/** A contact as a call speaks to him. */
export interface Addressed {
  fields: Record<string, string>;
  /** IANA. */
  timeZone: string;
}

export interface AddressedRow {
  fields: Record<string, FieldValue>;
  /** `CLOCK`. */
  time_zone: string;
}

/** Whose clock a contact c of a tenant t lives by: his own, that of his number if it is in one zone only, or the tenant's. */
export const CLOCK = `coalesce(c.time_zone, CASE WHEN c.zones ~ '^[^ ]+$' THEN c.zones END, t.time_zone, 'UTC')`;

/** Some contacts, by their ids. */
export async function findAddressed(
  db: Db,
  contacts: readonly { tenantId: string; id: string }[],
): Promise<Map<string, Addressed>> {
  const { rows } = await db.query<AddressedRow & { id: string }>(
    `SELECT c.id, c.fields, ${CLOCK} AS time_zone FROM contacts c
      JOIN unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, id) USING (tenant_id, id) JOIN tenants t ON t.id = c.tenant_id`,
    [contacts.map(({ tenantId }) => tenantId), contacts.map(({ id }) => id)],
  );
  return new Map(rows.map((row) => [row.id, toAddressed(row)]));
}

export function toAddressed({ fields, time_zone }: AddressedRow): Addressed {
  return { fields: textsOf(fields), timeZone: time_zone };
}

/** Fields as the texts that a flow may speak and compare. */
export function textsOf(fields: Record<string, FieldValue>): Record<string, string> {
  const known = Object.entries(fields).filter(([, value]) => value !== null);
  return Object.fromEntries(known.map(([name, value]) => [name, String(value)]));
}

/** All contacts of a campaign by number, some at a time; in one state when `state` is not null. */
export function readContacts(
  tx: Tx,
  tenantId: string,
  campaignId: string,
  state: ContactState | null,
): AsyncGenerator<Contact[]> {
  return readCursor<Contact & Record<string, unknown>>(
    tx,
    `SELECT ${COLUMNS} FROM contacts
      WHERE tenant_id = $1 AND campaign_id = $2 AND ($3::text IS NULL OR state = $3) ORDER BY number`,
    [tenantId, campaignId, state],
  );
}

/** The names of the fields that a campaign's contacts have, in order, at most `most`; of those in one state. */
export async function listFieldNames(
  db: Db,
  tenantId: string,
  campaignId: string,
  state: ContactState | null,
  most: number,
): Promise<string[]> {
  const { rows } = await db.query<{ name: string }>(
    `SELECT DISTINCT jsonb_object_keys(fields) AS name FROM contacts
      WHERE tenant_id = $1 AND campaign_id = $2 AND ($3::text IS NULL OR state = $3) ORDER BY name LIMIT $4`,
    [tenantId, campaignId, state, most],
  );
  return rows.map((row) => row.name);
}

/**
 * Cancels up to `most` of the contacts that wait for a call, first or next, and returns how many those were; calls
 * that are up end by themselves. The campaign must be locked.
 */
export async function cancelContacts(
  tx: Tx,
  tenantId: string,
  campaignId: string,
  most: number,
): Promise<number> {
  const { rowCount } = await tx.query(
    `WITH waiting AS MATERIALIZED (
        SELECT id FROM contacts
        WHERE tenant_id = $1 AND campaign_id = $2 AND state IN ('pending', 'retrying') LIMIT $3
      )
      UPDATE contacts c SET state = 'cancelled', updated_at = statement_timestamp()
      FROM waiting w WHERE c.tenant_id = $1 AND c.id = w.id`,
    [tenantId, campaignId, most],
  );
  return rowCount ?? 0;
}
