import type { RegistrationState, SipAccount } from '../calls/sip-account.js';
import type { Db } from './pool.js';

/** An account as a node reads it to write it down. */
export interface SealedAccount extends SipAccount {
  tenant_id: string;
  id: string;
  sealed_password: Buffer;
  revision: number;
  /** What this node last said of it. */
  loaded: number | null;
  problem: string | null;
}

/** What a node found out about an account. */
export interface AccountState {
  tenant_id: string;
  id: string;
  /** The revision that its PBX has, or null. */
  revision: number | null;
  registration: RegistrationState | null;
  problem: string | null;
}

function valuesOf(tenantId: string, id: string, account: SipAccount): unknown[] {
  const { host, port, transport, srtp, user, register, caller_ids, codecs, from_user, from_domain } = account;
  return [
    tenantId,
    id,
    host,
    port,
    transport,
    srtp,
    user,
    register,
    caller_ids,
    codecs,
    from_user,
    from_domain,
  ];
}

/** Stores the account of a trunk; `sealed` is its password as src/seal.ts makes it. */
export async function insertSipAccount(
  db: Db,
  tenantId: string,
  id: string,
  account: SipAccount,
  sealed: Buffer,
): Promise<void> {
  await db.query(
    `INSERT INTO sip_accounts (tenant_id, id, host, port, transport, srtp, username, register, caller_ids, codecs,
        from_user, from_domain, sealed_password)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
    [...valuesOf(tenantId, id, account), sealed],
  );
}

/** Changes the account of a trunk, and its password unless `sealed` is null. */
export async function updateSipAccount(
  db: Db,
  tenantId: string,
  id: string,
  account: SipAccount,
  sealed: Buffer | null,
): Promise<void> {
  const values = valuesOf(tenantId, id, account);
  // Two statements' texts: what is not named in one cannot be read by the tenants' role, which a coalesce() would have to.
  const password = sealed ? ', sealed_password = $13' : '';
  await db.query(
    `UPDATE sip_accounts SET host = $3, port = $4, transport = $5, srtp = $6, username = $7, register = $8,
        caller_ids = $9, codecs = $10, from_user = $11, from_domain = $12, revision = revision + 1${password}
      WHERE tenant_id = $1 AND id = $2`,
    sealed ? [...values, sealed] : values,
  );
}

/** Every account there is, in the order of their trunks' ids, with what `node` last said of each. */
export async function listSipAccounts(db: Db, node: string): Promise<SealedAccount[]> {
  const { rows } = await db.query<SealedAccount>(
    `SELECT s.tenant_id, s.id, s.host, s.port, s.transport, s.srtp, s.username AS user, s.register, s.caller_ids, s.codecs,
        s.from_user, s.from_domain, s.sealed_password, s.revision, n.revision AS loaded, n.problem
      FROM sip_accounts s
      LEFT JOIN sip_account_nodes n ON n.tenant_id = s.tenant_id AND n.id = s.id AND n.node = $1
      ORDER BY s.id, s.tenant_id`,
    [node],
  );
  return rows;
}

/** Writes down what `node` found out now. An account that is gone meanwhile is left out. */
export async function saveAccountStates(
  db: Db,
  node: string,
  states: readonly AccountState[],
): Promise<void> {
  await db.query(
    `INSERT INTO sip_account_nodes (tenant_id, id, node, revision, registration, problem, checked_at)
      SELECT k.tenant_id, k.id, $1, k.revision, k.registration, k.problem, statement_timestamp()
      FROM unnest($2::uuid[], $3::uuid[], $4::integer[], $5::text[], $6::text[])
        AS k(tenant_id, id, revision, registration, problem)
      JOIN (SELECT tenant_id, id FROM sip_accounts ORDER BY tenant_id, id FOR KEY SHARE) s USING (tenant_id, id)
      ON CONFLICT (tenant_id, id, node) DO UPDATE SET revision = excluded.revision,
        registration = excluded.registration, problem = excluded.problem, checked_at = excluded.checked_at`,
    [
      node,
      states.map((s) => s.tenant_id),
      states.map((s) => s.id),
      states.map((s) => s.revision),
      states.map((s) => s.registration),
      states.map((s) => s.problem),
    ],
  );
}

/** The caller ids of a trunk's campaigns that have not ended, as far as they are not among `allowed`. */
export async function findCallerIdsBeside(
  db: Db,
  tenantId: string,
  trunkId: string,
  allowed: readonly string[],
): Promise<string[]> {
  const { rows } = await db.query<{ caller_id: string }>(
    `SELECT DISTINCT p.caller_id FROM campaign_trunks ct
      JOIN campaigns p ON p.tenant_id = ct.tenant_id AND p.id = ct.campaign_id
      WHERE ct.tenant_id = $1 AND ct.trunk_id = $2 AND p.status IN ('draft', 'running', 'paused')
        AND p.caller_id IS NOT NULL AND p.caller_id <> ALL($3::text[])
      ORDER BY p.caller_id`,
    [tenantId, trunkId, allowed],
  );
  return rows.map((row) => row.caller_id);
}
