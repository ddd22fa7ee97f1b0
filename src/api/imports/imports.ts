import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { failImport, type Import, insertImport, lockImport, type NewImport } from '../../db/imports.js';
import { asTenant, type Pool, type Session } from '../../db/pool.js';
import { openStaging } from '../../db/staging.js';
import type { Tenant } from '../../db/tenants.js';
import { CampanileError } from '../../errors.js';
import type { Logger } from '../../log.js';
import type { Recording } from '../change.js';
import type { RowRules } from '../contact-check.js';
import { problemOfError } from '../problem.js';
import { chunksOf } from './body.js';
import { receiveImport } from './receive.js';
import { storeImport } from './store.js';

/** The imports of this process. */
export interface Imports {
  /**
   * Resolves when the upload is whole; its contacts are then stored, whoever waits, and recorded with that. Throws what the
   * answer is to be.
   */
  receive(
    tenant: Tenant,
    item: NewImport,
    upload: { body: IncomingMessage; rules: RowRules },
    recording: Recording,
  ): Promise<Import>;
  /** Waits `graceMs` for those that are being stored, then breaks them off. Nothing of them is left. */
  stop(graceMs: number): Promise<void>;
}

export interface ImportLimits {
  /** How long an upload may send nothing. */
  stallMs: number;
  /** Imports at once, of this process and of one tenant: each holds a connection of the database. */
  most: number;
  mostPerTenant: number;
}

const LIMITS: ImportLimits = { stallMs: 60_000, most: 8, mostPerTenant: 2 };

export function createImports(
  pool: Pool,
  log: Logger,
  { stallMs, most, mostPerTenant }: ImportLimits = LIMITS,
): Imports {
  const running = new Map<Promise<unknown>, string>();
  const sessions = new Set<Session>();
  let stopped = false;

  function checkRoom(tenantId: string): void {
    const own = [...running.values()].filter((id) => id === tenantId).length;
    if (!stopped && running.size < most && own < mostPerTenant) return;
    const limit = own >= mostPerTenant ? `${mostPerTenant} imports of a tenant` : `${most} imports`;
    throw new CampanileError('too_many_imports', `no more than ${limit} run at once: try again later`);
  }

  function track(tenantId: string, work: Promise<unknown>): void {
    const tracked: Promise<unknown> = work.catch(() => {}).finally(() => running.delete(tracked));
    running.set(tracked, tenantId);
  }

  async function begin(
    tenant: Tenant,
    item: NewImport,
    recording: Recording,
  ): Promise<{ session: Session; job: Import }> {
    const session = await openStaging(pool, tenant.id);
    sessions.add(session);
    try {
      await recording.lockForSession(session);
      await lockImport(session, item.id);
      return { session, job: await insertImport(session, tenant.id, item) };
    } catch (error) {
      end(session);
      throw error;
    }
  }

  function end(session: Session): void {
    sessions.delete(session);
    session.end();
  }

  /** Writes down why an import failed. Where even that fails, the lock that is gone tells it to whoever looks. */
  async function fail(tenant: Tenant, job: Import, error: unknown): Promise<void> {
    const { status, code, detail } = problemOfError(error);
    const about = { tenant: tenant.id, campaign: job.campaign_id, import: job.id };
    if (status >= 500) log.error({ err: error, ...about }, 'an import failed');
    await failImport(asTenant(pool, tenant.id), tenant.id, job.id, { code, message: detail }).catch(
      (err: Error) => log.warn({ err, ...about }, 'cannot write down that an import failed'),
    );
  }

  async function receive(
    tenant: Tenant,
    item: NewImport,
    { body, rules }: { body: IncomingMessage; rules: RowRules },
    recording: Recording,
  ): Promise<Import> {
    const { session, job } = await begin(tenant, item, recording);
    try {
      const upload = { tenantId: tenant.id, rules, job, body: chunksOf(body, stallMs) };
      const received = await receiveImport(session, upload);
      track(tenant.id, store(tenant, received, session, recording));
      return received;
    } catch (error) {
      // First why, then the lock: without it the import counts as interrupted.
      await fail(tenant, job, error);
      end(session);
      throw error;
    }
  }

  async function store(tenant: Tenant, job: Import, session: Session, recording: Recording): Promise<void> {
    try {
      await session.transaction(async (tx) => recording.write(tx, await storeImport(tx, tenant.id, job)));
    } catch (error) {
      await fail(tenant, job, error);
    } finally {
      end(session);
    }
  }

  return {
    async receive(tenant, item, upload, recording) {
      checkRoom(tenant.id);
      const received = receive(tenant, item, upload, recording);
      track(tenant.id, received);
      return received;
    },
    async stop(graceMs) {
      stopped = true;
      const all = async () => {
        while (running.size > 0) await Promise.all(running.keys());
      };
      await Promise.race([all(), sleep(graceMs, undefined, { ref: false })]);
      await Promise.all([...sessions].map((session) => breakOff(pool, session)));
      await all();
    },
  };
}

/** Postgres notices a connection that is gone only when it next reads from it: it is told, and gives up its statement. */
async function breakOff(pool: Pool, session: Session): Promise<void> {
  await pool.query('SELECT pg_terminate_backend($1)', [session.processId]).catch(() => {});
  session.end();
}
