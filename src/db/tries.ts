import type { Answers, Happened } from '../calls/flow/happened.js';
import type { ContactState, HeldFor } from '../calls/states.js';
import { newId } from '../ids.js';
import { type Attempt, listAttempts } from './attempts.js';
import { addCampaign, updateCampaignStatus } from './campaigns.js';
import { insertContacts, type NewContact } from './contacts.js';
import { deleteUnusedFlows } from './flows.js';
import type { Db, Pool, Tx } from './pool.js';

/** One number that is called now to try a flow: the one contact of a campaign of its own, which nothing else shows. */
export interface Try {
  id: string;
  flow_id: string;
  flow_version: number;
  number: string;
  test: boolean;
  state: ContactState;
  held_for: HeldFor | null;
  created_at: Date;
  /** Null until its call is on its way. */
  attempt: Attempt | null;
  steps: Happened[] | null;
  answers: Answers | null;
}

export interface NewTry {
  flow_id: string;
  flow_version: number;
  trunk_id: string;
  caller_id: string | null;
  test: boolean;
  ring_seconds: number;
}

/** How long a call may wait for a port, in seconds: who tries a flow holds the telephone in his hand. */
export const TRY_WAITS_SECONDS = 60;
/** Before the tenant's campaigns, which might leave it no port for long. */
const WEIGHT = 1000;
const KEPT_DAYS = 7;

/** Begins a try; its id is that of its campaign. */
export async function insertTry(
  tx: Tx,
  tenantId: string,
  { trunk_id, ...settings }: NewTry,
  contact: Omit<NewContact, 'id'>,
): Promise<string> {
  const id = newId();
  await addCampaign(tx, tenantId, {
    ...settings,
    id,
    name: 'Try',
    is_try: true,
    trunk_ids: [trunk_id],
    message_id: null,
    opt_out_key: null,
    // Who tries it is a person.
    machine_detection: null,
    inbound_message_id: null,
    max_abandoned_percent: null,
    ports: null,
    calls_per_second: null,
    weight: WEIGHT,
    retry: {},
    max_attempts: 1,
    suppression_max_age_days: null,
    requires_consent: false,
    calling_window: null,
    start_at: null,
    end_at: new Date(Date.now() + TRY_WAITS_SECONDS * 1000),
  });
  await insertContacts(tx, tenantId, id, [{ ...contact, id: newId() }]);
  await updateCampaignStatus(tx, tenantId, id, 'running');
  return id;
}

export async function findTryById(db: Db, tenantId: string, id: string): Promise<Try | null> {
  const { rows } = await db.query<Omit<Try, 'attempt' | 'steps' | 'answers'>>(
    `SELECT p.id, p.flow_id, p.flow_version, p.test, p.created_at, c.number, c.state, c.held_for
      FROM campaigns p JOIN contacts c ON c.tenant_id = p.tenant_id AND c.campaign_id = p.id
      WHERE p.tenant_id = $1 AND p.id = $2 AND p.is_try`,
    [tenantId, id],
  );
  if (!rows[0]) return null;
  const [attempt = null] = await listAttempts(db, tenantId, id, null, { after: null, limit: 1 });
  const { rows: told } = await db.query<Pick<Try, 'steps' | 'answers'>>(
    'SELECT steps, answers FROM attempts WHERE tenant_id = $1 AND id = $2',
    [tenantId, attempt?.id ?? null],
  );
  return { ...rows[0], attempt, steps: told[0]?.steps ?? null, answers: told[0]?.answers ?? null };
}

/** How many tries the tenant began in the last minute. Nobody else's are counted until the transaction ends. */
export async function lockRecentTries(tx: Tx, tenantId: string): Promise<number> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('tries ' || $1, 0))`, [tenantId]);
  const { rows } = await tx.query<{ tries: number }>(
    `SELECT count(*)::integer AS tries FROM campaigns
      WHERE tenant_id = $1 AND is_try AND created_at > clock_timestamp() - interval '1 minute'`,
    [tenantId],
  );
  return rows[0]!.tries;
}

/** Forgets tries of long ago; returns how many. */
export async function forgetTries(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ tenant_id: string; id: string }>(
    `SELECT tenant_id, id FROM campaigns WHERE is_try AND status NOT IN ('running', 'paused')
      AND created_at < now() - make_interval(days => $1) LIMIT 1000`,
    [KEPT_DAYS],
  );
  for (const { tenant_id, id } of rows) {
    for (const table of ['attempts', 'contacts'])
      await pool.query(`DELETE FROM ${table} WHERE tenant_id = $1 AND campaign_id = $2`, [tenant_id, id]);
    await pool.query('DELETE FROM campaigns WHERE tenant_id = $1 AND id = $2', [tenant_id, id]);
  }
  for (const tenant of new Set(rows.map((row) => row.tenant_id))) await deleteUnusedFlows(pool, tenant);
  return rows.length;
}
