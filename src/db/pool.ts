import type { Socket } from 'node:net';
import pg from 'pg';
import { CampanileError } from '../errors.js';
import type { Logger } from '../log.js';

export { type Listener, listen } from './listen.js';

export type Pool = pg.Pool;

/** Anything that runs one statement: a pool, a client or a transaction. */
export interface Db {
  query<R extends pg.QueryResultRow = pg.QueryResultRow>(
    statement: string | pg.QueryConfig,
    values?: unknown[],
  ): Promise<pg.QueryResult<R>>;
}

/**
 * The database as one tenant sees it: row-level security (migration 0003) shows it and takes from it no other tenant's rows,
 * whatever a statement says.
 */
export interface TenantDatabase extends Db {
  readonly pool: Pool;
  /** What follows BEGIN. */
  readonly setUp: string;
}

declare const inTransaction: unique symbol;

/** One open transaction. Only `transaction` makes one, so a function that takes a Tx cannot be called outside. */
export interface Tx extends Db {
  readonly [inTransaction]: true;
}

const int8 = 20;
const int8Array = 1016;
const date = 1082;

function parseInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`bigint ${text} does not fit into a number`);
  return value;
}

/**
 * How values arrive: int8 as a number (one beyond 2^53 rejects the query rather than being rounded), timestamptz as
 * a Date, and date as the text `2026-11-21`, because a calendar day has no time zone and pg would give it ours.
 */
const types: pg.CustomTypesConfig = {
  getTypeParser(oid, format) {
    const standard = pg.types.getTypeParser(oid, format);
    if (format === 'binary') return standard;
    if (Number(oid) === int8) return parseInt8;
    if (Number(oid) === date) return (text: string) => text;
    if (Number(oid) !== int8Array) return standard;
    return (text: string) => {
      const items: (string | null)[] = standard(text);
      return items.map((item) => (item === null ? null : parseInt8(item)));
    };
  },
};

const connectSeconds = 10;

/** What every connection of ours asks for: found again in pg_stat_activity, noticed when its network is gone. */
function connectionSettings(url: string, name: string) {
  return {
    connectionString: url,
    application_name: name,
    connectionTimeoutMillis: connectSeconds * 1000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types,
  };
}

/**
 * A pool of connections to `url`. `max` connections (10), `name` in pg_stat_activity (`campanile`); a statement may
 * run for `statementSeconds` (30) and a transaction may idle as long. With `pipeline`, statements that are not waited for
 * one by one go to the server together; cursors do not work then. Losing idle connections is logged, not thrown:
 * the pool makes new ones. End it with `pool.end()`.
 */
export function createPool(
  url: string,
  log: Logger,
  options: { max?: number; name?: string; statementSeconds?: number; pipeline?: boolean } = {},
): Pool {
  const limit = (options.statementSeconds ?? 30) * 1000;
  const pool = new pg.Pool({
    ...connectionSettings(url, options.name ?? 'campanile'),
    max: options.max ?? 10,
    pipeline: options.pipeline ?? false,
    idleTimeoutMillis: 30_000,
    statement_timeout: limit,
    idle_in_transaction_session_timeout: limit,
    // The server ends a slow statement first; this one is for a network that swallows the answer.
    query_timeout: limit + 5000,
  });
  pool.on('error', (error) => log.warn({ err: error }, 'lost an idle database connection'));
  if (options.pipeline) pool.on('connect', writeTogether);
  return pool;
}

/** Statements given to a connection in one go reach the kernel in one write: each wakes the server's process up. */
function writeTogether(client: pg.PoolClient): void {
  const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
  const query = client.query.bind(client) as (...args: unknown[]) => unknown;
  let gathering = false;
  Object.assign(client, {
    query(...args: unknown[]) {
      if (!gathering) {
        gathering = true;
        stream.cork();
        process.nextTick(() => {
          gathering = false;
          stream.uncork();
        });
      }
      return query(...args);
    },
  });
}

/** `pool` as the tenant sees it. Each statement is a transaction of its own. Throws a TypeError for what is no id. */
export function asTenant(pool: Pool, tenantId: string): TenantDatabase {
  if (!UUID.test(tenantId)) throw new TypeError(`${JSON.stringify(tenantId)} is not the id of a tenant`);
  const setUp = `; SET LOCAL ROLE campanile_tenant; SET LOCAL campanile.tenant_id = '${tenantId}'`;
  const own: TenantDatabase = {
    pool,
    setUp,
    query: (statement, values) => transaction(own, (tx) => tx.query(statement, values)),
  };
  return own;
}

/** A connection of its own, as one tenant, outside of any pool. */
export interface Session extends Db {
  readonly processId: number;
  /** Gives the connection something that is more than a statement, such as a COPY. */
  submit<T extends pg.Submittable>(query: T): T;
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** Breaks the connection off, whatever is under way on it. May be called twice. */
  end(): void;
}

/**
 * Connects to the database of `pool`, runs `prepare` as ourselves and is the tenant from then on. A statement may run for
 * `statementSeconds`.
 */
export async function connectAlone(
  pool: Pool,
  tenantId: string,
  options: { name: string; statementSeconds: number; prepare: string },
): Promise<Session> {
  if (!UUID.test(tenantId)) throw new TypeError(`${JSON.stringify(tenantId)} is not the id of a tenant`);
  const client = new pg.Client({
    ...pool.options,
    application_name: options.name,
    statement_timeout: options.statementSeconds * 1000,
    query_timeout: 0,
  });
  // What breaks it fails the statement under way or the next one; nobody else need hear of it.
  client.on('error', () => {});
  const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
  const run = (begin: string) => client.query(begin);
  try {
    await client.connect();
    await run(options.prepare);
    await run(`SET ROLE campanile_tenant; SET campanile.tenant_id = '${tenantId}'`);
  } catch (error) {
    stream.destroy();
    throw error;
  }
  return {
    processId: (client as unknown as { processID: number }).processID,
    query: (statement, values) => client.query(statement, values),
    submit: (query) => client.query(query),
    async transaction(work) {
      await run('BEGIN');
      try {
        const result = await work(client as unknown as Tx);
        const done = await run('COMMIT');
        if (done.command === 'COMMIT') return result;
        throw new CampanileError(
          'transaction_aborted',
          'cannot commit: a statement of this transaction failed',
        );
      } catch (error) {
        await run('ROLLBACK').catch(() => stream.destroy());
        throw error;
      }
    },
    end: () => void stream.destroy(),
  };
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * Runs `work` in one transaction: commits when it resolves, rolls back and rethrows when it throws. Also throws
 * (code `transaction_aborted`) when a statement failed and `work` swallowed that, because Postgres then answers
 * COMMIT with a rollback. When the connection breaks during COMMIT nobody knows whether it took place.
 */
export function transaction<T>(db: Pool | TenantDatabase, work: (tx: Tx) => Promise<T>): Promise<T> {
  return runTransaction(db, 'BEGIN', work);
}

/**
 * Runs `work` in one transaction that only reads, and sees all tables as they were at its first statement. It may idle
 * for `idleSeconds`. Otherwise like `transaction`.
 */
export function snapshot<T>(
  db: Pool | TenantDatabase,
  idleSeconds: number,
  work: (tx: Tx) => Promise<T>,
): Promise<T> {
  return runTransaction(db, 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', async (tx) => {
    await tx.query(`SET LOCAL idle_in_transaction_session_timeout = ${idleSeconds * 1000}`);
    return work(tx);
  });
}

async function runTransaction<T>(
  db: Pool | TenantDatabase,
  begin: string,
  work: (tx: Tx) => Promise<T>,
): Promise<T> {
  const { pool, setUp } = 'setUp' in db ? db : { pool: db, setUp: '' };
  const client = await pool.connect();
  let broken: Error | undefined;
  // The pool listens only while a client is idle, and an 'error' that nobody hears ends the process.
  const onError = (error: Error) => {
    broken = error;
  };
  client.on('error', onError);
  try {
    // Not waited for: in a pipeline it goes out together with the first statements of the work, which fail if it does.
    const begun = client.query(begin + setUp);
    begun.catch(() => {});
    const result = await work(client as unknown as Tx);
    await begun;
    const done = await client.query('COMMIT');
    if (done.command === 'COMMIT') return result;
    throw new CampanileError('transaction_aborted', 'cannot commit: a statement of this transaction failed');
  } catch (error) {
    await client.query('ROLLBACK').catch((failure: Error) => {
      broken = failure;
    });
    throw error;
  } finally {
    client.off('error', onError);
    client.release(broken);
  }
}
