import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseCallId } from '../calls/call-id.js';
import { deleteTenant, listCallsOf, listDeletedTenants, listDeletingTenants } from '../db/delete-tenant.js';
import type { Pool } from '../db/pool.js';
import type { Logger } from '../log.js';
import type { Sounds } from '../messages/sounds.js';
import type { Speech } from '../messages/speech/speech.js';
import type { Spool } from '../spool/directories.js';
import { callIdOfFile } from '../spool/name.js';
import { type Ask, hangUp } from './hang-up.js';

export interface DeleteTenantsOptions {
  pool: Pool;
  node: string;
  spool: Spool;
  sounds: Pick<Sounds, 'sweep'>;
  speech: Pick<Speech, 'removeTenant'>;
  ask: Ask;
  log: Logger;
}

export interface DeleteTenants {
  /** Goes one step on with every tenant that is being deleted; resolves with how many things were done. */
  run(): Promise<number>;
  /** Does nothing more, and resolves when nothing is under way. */
  stop(): Promise<void>;
}

/** A commit may come later than the time in it. */
const MARGIN_MS = 60_000;

/**
 * Deletes tenants, from when an admin asked for it. Their campaigns are cancelled by then, so files that Asterisk has not begun
 * are taken back like those of any cancelled campaign, and finished calls are not tried again. What is left: calls that are up are
 * hung up, on each node its own; when none is up any more the rows go, by whichever node is first; and then every node removes
 * the files that nobody owns. Each step finds by itself what is to be done, so it does not matter where the last one broke off.
 */
export function createDeleteTenants(options: DeleteTenantsOptions): DeleteTenants {
  const { pool, node, spool, sounds, speech, ask, log } = options;
  const handled = new Set<string>();
  let handledUntil = new Date(0);
  let running: Promise<number> | null = null;
  let stopped = false;

  async function hangUpOf(tenantIds: readonly string[]): Promise<number> {
    const calls = await listCallsOf(pool, tenantIds, node);
    try {
      return await hangUp(ask, new Set(calls));
    } catch (error) {
      // Without Asterisk no call is up; what becomes of its files is the reconciler's.
      log.warn({ err: error, calls: calls.length }, 'cannot hang up the calls of a tenant that is deleted');
      return 0;
    }
  }

  /** Removes what tenants that are gone have left here: sounds, speech, and call files that were put aside or are kept. */
  async function removeFiles(): Promise<number> {
    const deleted = await listDeletedTenants(pool, new Date(handledUntil.getTime() - MARGIN_MS));
    const gone = new Set(deleted.map(({ id }) => id).filter((id) => !handled.has(id)));
    if (gone.size === 0) return 0;
    let removed = await sounds.sweep();
    for (const id of gone) await speech.removeTenant(id);
    for (const directory of [spool.quarantine, ...(await hoursOf(spool.kept))]) {
      for (const name of await readdir(directory)) {
        const ids = parseCallId(callIdOfFile(name) ?? '');
        if (!ids || !gone.has(ids.tenantId)) continue;
        await rm(join(directory, name), { force: true });
        removed += 1;
      }
    }
    for (const id of gone) handled.add(id);
    handledUntil = deleted.at(-1)!.deleted_at;
    return removed;
  }

  async function step(): Promise<number> {
    const tenantIds = await listDeletingTenants(pool);
    let done = tenantIds.length === 0 ? 0 : await hangUpOf(tenantIds);
    for (const id of tenantIds) {
      if (!(await deleteTenant(pool, id))) continue;
      log.info({ tenant: id }, 'a tenant was deleted');
      done += 1;
    }
    return done + (await removeFiles());
  }

  return {
    run() {
      if (stopped) return Promise.resolve(0);
      running ??= step().finally(() => {
        running = null;
      });
      return running;
    },
    async stop() {
      stopped = true;
      await running?.catch(() => {});
    },
  };
}

async function hoursOf(kept: string): Promise<string[]> {
  return (await readdir(kept)).map((hour) => join(kept, hour));
}
