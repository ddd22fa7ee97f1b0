import { callIdOf, parseCallId } from '../calls/call-id.js';
import type { Key } from '../calls/flow/schema.js';
import type { MachineDetection } from '../calls/machine.js';
import { isSandbox } from '../calls/node-name.js';
import type { TakenContact } from './claim.js';
import { isSuppressed } from './contact-rules.js';
import { type Addressed, type AddressedRow, CLOCK, toAddressed } from './contacts.js';
import type { ContentRef } from './content.js';
import type { Db, Tx } from './pool.js';

/** Contacts of the transaction's own claim for whom no text can be made: they are invalid, and no attempt was made. */
export async function refuseTakenContacts(
  tx: Tx,
  refused: readonly { contact: TakenContact; problem: string }[],
): Promise<void> {
  await tx.query(
    `WITH undone AS (
        DELETE FROM attempts a USING unnest($1::uuid[], $2::uuid[], $3::text[]) AS k(tenant_id, id, problem)
        WHERE a.tenant_id = k.tenant_id AND a.id = k.id RETURNING a.tenant_id, a.contact_id, k.problem
      )
      UPDATE contacts c SET state = 'invalid', attempts = c.attempts - 1, problem = u.problem
      FROM undone u WHERE c.tenant_id = u.tenant_id AND c.id = u.contact_id`,
    [
      refused.map(({ contact }) => contact.tenant_id),
      refused.map(({ contact }) => contact.attempt_id),
      refused.map(({ problem }) => problem),
    ],
  );
}

/**
 * Of claimed calls that waited for their texts those that are still wanted: the campaign runs, and nobody has put the number on
 * a suppression list meanwhile.
 */
export async function findWantedCalls(db: Db, callIds: readonly string[]): Promise<Set<string>> {
  const ids = callIds.map(parseCallId).filter((id) => id !== null);
  const { rows } = await db.query<{ tenant_id: string; id: string }>(
    `SELECT a.tenant_id, a.id FROM unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, id)
      JOIN attempts a USING (tenant_id, id)
      JOIN campaigns p ON p.tenant_id = a.tenant_id AND p.id = a.campaign_id
      JOIN contacts c ON c.tenant_id = a.tenant_id AND c.id = a.contact_id
      WHERE a.state = 'open' AND p.status = 'running'
        AND NOT ${isSuppressed('EXISTS (SELECT FROM installation_suppressions s WHERE s.number = c.number)')}`,
    [ids.map(({ tenantId }) => tenantId), ids.map(({ attemptId }) => attemptId)],
  );
  return new Set(rows.map(({ tenant_id, id }) => callIdOf(tenant_id, id)));
}

/** A campaign that runs, and what its calls say. */
export interface RunningContent extends ContentRef {
  campaignId: string;
}

/** Those of campaigns with contacts left, which `node` calls: a sandbox node those of tests, the others all the rest. */
export async function listRunningContents(db: Db, node: string): Promise<RunningContent[]> {
  const { rows } = await db.query<{
    tenant_id: string;
    id: string;
    message_id: string | null;
    flow_id: string | null;
    flow_version: number | null;
    opt_out_key: Key | null;
    machine_detection: MachineDetection | null;
  }>(
    `SELECT p.tenant_id, p.id, p.message_id, p.flow_id, p.flow_version, p.opt_out_key, p.machine_detection
      FROM campaigns p
      JOIN tenants t ON t.id = p.tenant_id
      WHERE p.status = 'running' AND p.test = $1 AND NOT t.suspended AND p.pending + p.retrying > 0
      ORDER BY p.tenant_id, p.id`,
    [isSandbox(node)],
  );
  return rows.map((row) => ({
    tenantId: row.tenant_id,
    campaignId: row.id,
    messageId: row.message_id,
    flowId: row.flow_id,
    flowVersion: row.flow_version,
    optOutKey: row.opt_out_key,
    machine: row.machine_detection,
  }));
}

/** The contacts of a campaign that are to be called next, within `seconds`, about in their order; at most `most`. */
export async function listNextContacts(
  db: Db,
  { tenantId, campaignId }: { tenantId: string; campaignId: string },
  most: number,
  seconds: number,
): Promise<Addressed[]> {
  const { rows } = await db.query<AddressedRow>(
    // As the claim finds them (src/db/claim.ts): from the front of the index for each zone, priority and state. Whoever fails
    // over has been spoken for.
    `SELECT n.fields, n.time_zone FROM campaign_zones z
      JOIN tenants t ON t.id = z.tenant_id
      CROSS JOIN (VALUES ('retrying'), ('pending')) AS s(state)
      CROSS JOIN LATERAL (
        SELECT c.fields, ${CLOCK} AS time_zone, c.due_at, c.id FROM contacts c
        WHERE c.tenant_id = z.tenant_id AND c.campaign_id = z.campaign_id AND c.state = s.state
          AND c.state IN ('pending', 'retrying') AND c.trunk_from = 1 AND c.zones = z.zones AND c.priority = z.priority
          AND c.due_at <= statement_timestamp() + make_interval(secs => $4)
        ORDER BY c.due_at, c.id LIMIT $3) AS n
      WHERE z.tenant_id = $1 AND z.campaign_id = $2
      ORDER BY z.priority DESC, s.state DESC, n.due_at, n.id LIMIT $3`,
    [tenantId, campaignId, most, seconds],
  );
  return rows.map(toAddressed);
}
