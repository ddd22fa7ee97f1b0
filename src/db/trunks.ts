import type { Breaker } from '../calls/breaker.js';
import type { RegistrationState, SipAccount } from '../calls/sip-account.js';
import type { Db, Tx } from './pool.js';
import type { Page } from './tenants.js';

/** What a trunk is made of, beside the account that it may have. */
export interface NewTrunk {
  id: string;
  name: string;
  template: string;
  pbx_trunk: string;
  ports: number;
  calls_per_second: number | null;
  /** When it is rested; null: never. */
  breaker: Breaker | null;
}

export interface Trunk extends NewTrunk {
  /** Since and until when it rests, and why; null when it does not. After `until` a few calls are tried. */
  resting: { since: string; until: string; reason: string } | null;
  created_at: Date;
  /** Its SIP account; null when it names an endpoint or a context that an admin configured. */
  sip: SipAccount | null;
  /** What each node said of the account. */
  registration: NodeRegistration[];
}

export interface NodeRegistration {
  node: string;
  /** Whether the node's PBX has the account as it is now. */
  loaded: boolean;
  /** Null for an account that does not register. */
  state: RegistrationState | null;
  problem: string | null;
  checked_at: string;
}

/** What the PBX calls a way out, with the limits that all tenants' trunks on it share; null is without limit. */
export interface PbxTrunk {
  name: string;
  ports: number | null;
  calls_per_second: number | null;
}

const utc = (time: string) => `to_char(${time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** The rest of a trunk `tr` as JSON, null when it does not rest. */
export const RESTING = `CASE WHEN tr.resting_until IS NOT NULL THEN json_build_object(
  'since', ${utc('tr.resting_since')}, 'until', ${utc('tr.resting_until')}, 'reason', tr.resting_reason) END`;

const TRUNKS = `SELECT tr.id, tr.name, tr.template, tr.pbx_trunk, tr.ports, tr.calls_per_second, tr.breaker,
    ${RESTING} AS resting, tr.created_at,
    CASE WHEN s.id IS NOT NULL THEN json_build_object('host', s.host, 'port', s.port, 'transport', s.transport,
      'srtp', s.srtp, 'user', s.username, 'register', s.register, 'caller_ids', s.caller_ids, 'codecs', s.codecs,
      'from_user', s.from_user, 'from_domain', s.from_domain) END AS sip,
    coalesce((SELECT json_agg(json_build_object('node', n.node, 'loaded', n.revision IS NOT DISTINCT FROM s.revision,
        'state', n.registration, 'problem', n.problem,
        'checked_at', ${utc('n.checked_at')}) ORDER BY n.node)
      FROM sip_account_nodes n WHERE n.tenant_id = s.tenant_id AND n.id = s.id), '[]') AS registration
  FROM trunks tr LEFT JOIN sip_accounts s ON s.tenant_id = tr.tenant_id AND s.id = tr.id`;

function valuesOf(tenantId: string, trunk: NewTrunk): unknown[] {
  const { id, name, template, pbx_trunk, ports, calls_per_second, breaker } = trunk;
  const settings = breaker && JSON.stringify(breaker);
  return [tenantId, id, name, template, pbx_trunk, ports, calls_per_second, settings];
}

export async function insertTrunk(db: Db, tenantId: string, trunk: NewTrunk): Promise<void> {
  await db.query(
    `INSERT INTO trunks (tenant_id, id, name, template, pbx_trunk, ports, calls_per_second, breaker)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    valuesOf(tenantId, trunk),
  );
}

export async function findTrunkById(db: Db, tenantId: string, id: string): Promise<Trunk | null> {
  const { rows } = await db.query<Trunk>(`${TRUNKS} WHERE tr.tenant_id = $1 AND tr.id = $2`, [tenantId, id]);
  return rows[0] ?? null;
}

/**
 * The trunk, which nobody else changes until the transaction ends. Null also where the tenant may not change it: he may change
 * those that are accounts of his.
 */
export async function lockTrunk(tx: Tx, tenantId: string, id: string): Promise<Trunk | null> {
  const { rows } = await tx.query<Trunk>(
    `${TRUNKS} WHERE tr.tenant_id = $1 AND tr.id = $2 FOR NO KEY UPDATE OF tr`,
    [tenantId, id],
  );
  return rows[0] ?? null;
}

export async function listTrunks(db: Db, tenantId: string, page: Page): Promise<Trunk[]> {
  const { rows } = await db.query<Trunk>(
    `${TRUNKS} WHERE tr.tenant_id = $1 AND ($2::uuid IS NULL OR tr.id > $2) ORDER BY tr.id LIMIT $3`,
    [tenantId, page.after, page.limit],
  );
  return rows;
}

/** Sets what a trunk is made of. Whatever was wrong with it may be right now: its rest is over, and a few calls are tried. */
export async function updateTrunk(db: Db, tenantId: string, trunk: NewTrunk): Promise<void> {
  await db.query(
    `UPDATE trunks SET name = $3, template = $4, pbx_trunk = $5, ports = $6, calls_per_second = $7, breaker = $8,
        resting_until = CASE WHEN resting_until > statement_timestamp() THEN statement_timestamp() ELSE resting_until END
      WHERE tenant_id = $1 AND id = $2`,
    valuesOf(tenantId, trunk),
  );
}

/** Writes the PBX trunk down, without limits, unless it is known already. */
export async function ensurePbxTrunk(db: Db, name: string): Promise<void> {
  await db.query('INSERT INTO pbx_trunks (name) VALUES ($1) ON CONFLICT (name) DO NOTHING', [name]);
}

export async function upsertPbxTrunk(db: Db, trunk: PbxTrunk): Promise<PbxTrunk> {
  const { rows } = await db.query<PbxTrunk>(
    `INSERT INTO pbx_trunks (name, ports, calls_per_second) VALUES ($1, $2, $3)
      ON CONFLICT (name) DO UPDATE SET ports = excluded.ports, calls_per_second = excluded.calls_per_second
      RETURNING name, ports, calls_per_second`,
    [trunk.name, trunk.ports, trunk.calls_per_second],
  );
  return rows[0]!;
}

export async function listPbxTrunks(db: Db, page: Page): Promise<PbxTrunk[]> {
  const { rows } = await db.query<PbxTrunk>(
    `SELECT name, ports, calls_per_second FROM pbx_trunks
      WHERE ($1::text IS NULL OR name > $1) ORDER BY name LIMIT $2`,
    [page.after, page.limit],
  );
  return rows;
}
