import {
  ABANDONED_DAYS,
  ABANDONED_OUTCOMES,
  type DestinationKind,
  type TransferCounts,
  type TransferEnd,
} from '../calls/flow/transfer.js';
import { mayShow } from '../calls/sip-account.js';
import { newId } from '../ids.js';
import { type Db, type Pool, type Tx, transaction } from './pool.js';
import { HOLDS_A_PORT } from './transfer-destinations.js';
import { waitForTurn } from './turn.js';

/** A port of a destination, taken: where the call is to be passed on to. */
export interface BegunTransfer {
  id: string;
  kind: DestinationKind;
  target: string;
  /** Of a number: how it is dialled, and what it is shown; null: the trunk's own. */
  trunk: { template: string; pbxTrunk: string; callerId: string | null } | null;
}

interface Room {
  kind: DestinationKind;
  target: string;
  campaign_id: string;
  trunk_id: string | null;
  template: string | null;
  pbx_trunk: string | null;
  caller_id: string | null;
  account_caller_ids: string[] | null;
  full: boolean;
}

const HELD = (of: string) => `(SELECT count(*) FROM transfers t WHERE ${of} AND ${HOLDS_A_PORT})`;

/**
 * Takes a port of a destination for an attempt, and of its trunk where it is a number; `full` when there is none, `gone` when
 * there is no such destination. Over all nodes no destination and no trunk has more calls than ports: whoever takes one holds
 * the destination's row, and for a number has the turn (src/db/turn.ts), which claims have.
 */
export async function beginTransfer(
  pool: Pool,
  about: { tenantId: string; attemptId: string; step: string; destinationId: string },
): Promise<BegunTransfer | 'full' | 'gone'> {
  const { tenantId, attemptId, step, destinationId } = about;
  return transaction(pool, async (tx) => {
    const key = [tenantId, destinationId];
    const { rows: kinds } = await tx.query<{ kind: DestinationKind }>(
      'SELECT kind FROM transfer_destinations WHERE tenant_id = $1 AND id = $2',
      key,
    );
    // Before any row is locked, as everybody takes it.
    if (kinds[0]?.kind === 'number') await waitForTurn(tx);
    await tx.query(
      'SELECT FROM transfer_destinations WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE',
      key,
    );
    const room = await findRoom(tx, about);
    if (!room) return 'gone';
    const id = newId();
    await tx.query(
      `INSERT INTO transfers (tenant_id, id, attempt_id, campaign_id, destination_id, step, trunk_id, pbx_trunk, ended_at, outcome)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN $9 THEN now() END, CASE WHEN $9 THEN 'full' END)`,
      [
        tenantId,
        id,
        attemptId,
        room.campaign_id,
        destinationId,
        step,
        room.trunk_id,
        room.pbx_trunk,
        room.full,
      ],
    );
    return room.full ? 'full' : { id, kind: room.kind, target: room.target, trunk: trunkOf(room) };
  });
}

async function findRoom(
  tx: Tx,
  { tenantId, attemptId, destinationId }: { tenantId: string; attemptId: string; destinationId: string },
): Promise<Room | null> {
  const { rows } = await tx.query<Room>(
    `SELECT d.kind, d.target, a.campaign_id, tr.id AS trunk_id, tr.template, tr.pbx_trunk,
        p.caller_id, s.caller_ids AS account_caller_ids,
        ${HELD('t.destination_id = d.id AND t.tenant_id = d.tenant_id')} >= d.ports
          OR tr.id IS NOT NULL AND (
            ${HELD('t.trunk_id = tr.id AND t.tenant_id = tr.tenant_id')}
              + (SELECT count(*) FROM attempts o WHERE o.state = 'open' AND o.trunk_id = tr.id) >= tr.ports
            OR coalesce(${HELD('t.pbx_trunk = tr.pbx_trunk')}
              + (SELECT count(*) FROM attempts o WHERE o.state = 'open' AND o.pbx_trunk = tr.pbx_trunk) >= pt.ports, false)) AS full
      FROM transfer_destinations d
      JOIN attempts a ON a.tenant_id = d.tenant_id AND a.id = $2
      JOIN campaigns p ON p.tenant_id = a.tenant_id AND p.id = a.campaign_id
      LEFT JOIN trunks tr ON d.kind = 'number' AND tr.tenant_id = d.tenant_id AND tr.id = coalesce(d.trunk_id, a.trunk_id)
      LEFT JOIN pbx_trunks pt ON pt.name = tr.pbx_trunk
      LEFT JOIN sip_accounts s ON s.tenant_id = tr.tenant_id AND s.id = tr.id
      WHERE d.tenant_id = $1 AND d.id = $3`,
    [tenantId, attemptId, destinationId],
  );
  return rows[0] ?? null;
}

/** The campaign's caller id, where the trunk may show it, else the first that its account has. */
function trunkOf({ template, pbx_trunk, caller_id, account_caller_ids }: Room): BegunTransfer['trunk'] {
  if (template === null || pbx_trunk === null) return null;
  const caller_ids = account_caller_ids ?? [];
  const callerId = mayShow({ caller_ids }, caller_id) ? (caller_id ?? caller_ids[0] ?? null) : caller_ids[0]!;
  return { template, pbxTrunk: pbx_trunk, callerId };
}

/** Writes down how a transfer of an attempt ended, once: the id of its campaign, or null when that was known already. */
export async function endTransfer(
  db: Db,
  { tenantId, attemptId }: { tenantId: string; attemptId: string },
  id: string,
  { outcome, talkedSeconds }: TransferEnd,
): Promise<string | null> {
  const { rows } = await db.query<{ campaign_id: string }>(
    `UPDATE transfers SET ended_at = statement_timestamp(), outcome = $3, talked_seconds = $4
      WHERE tenant_id = $1 AND id = $2 AND attempt_id = $5 AND ended_at IS NULL RETURNING campaign_id`,
    [tenantId, id, outcome, talkedSeconds, attemptId],
  );
  return rows[0]?.campaign_id ?? null;
}

/** The transfer of an attempt that has not ended; null when there is none. */
export async function findOpenTransfer(
  db: Db,
  tenantId: string,
  attemptId: string,
): Promise<{ id: string; kind: DestinationKind } | null> {
  const { rows } = await db.query<{ id: string; kind: DestinationKind }>(
    `SELECT t.id, d.kind FROM transfers t
      JOIN transfer_destinations d ON d.tenant_id = t.tenant_id AND d.id = t.destination_id
      WHERE t.tenant_id = $1 AND t.attempt_id = $2 AND t.ended_at IS NULL`,
    [tenantId, attemptId],
  );
  return rows[0] ?? null;
}

/** Ends transfers of which nobody told, once their attempts have been over for a minute. Returns how many. */
export async function endForgottenTransfers(db: Db): Promise<number> {
  const { rowCount } = await db.query(
    `UPDATE transfers t SET ended_at = a.ended_at, outcome = 'unknown'
      FROM attempts a WHERE t.ended_at IS NULL AND a.tenant_id = t.tenant_id AND a.id = t.attempt_id
        AND a.ended_at < now() - interval '1 minute'`,
  );
  return rowCount ?? 0;
}

/** A campaign's transfers in the days that count. */
export async function countTransfers(db: Db, tenantId: string, campaignId: string): Promise<TransferCounts> {
  const { rows } = await db.query<TransferCounts>(
    `SELECT (count(*) FILTER (WHERE outcome = 'connected'))::integer AS connected,
        (count(*) FILTER (WHERE outcome = ANY($3)))::integer AS abandoned
      FROM transfers WHERE tenant_id = $1 AND campaign_id = $2 AND ended_at > now() - make_interval(days => $4)`,
    [tenantId, campaignId, ABANDONED_OUTCOMES, ABANDONED_DAYS],
  );
  return rows[0]!;
}
