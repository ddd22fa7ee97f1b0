import { type Ending, finishAttempts } from '../db/finish.js';
import { findAttemptStates, listOpenAttempts } from '../db/open-attempts.js';
import { type Pool, type Tx, transaction } from '../db/pool.js';
import { waitForTurn } from '../db/turn.js';
import { writeBackAttempts } from '../db/write-back.js';
import type { Logger } from '../log.js';
import type { ClaimedEntry, Journal, JournalEntry } from '../spool/journal.js';

/** What the journal knows and the database does not. */
interface Behind {
  /** Attempts that the database has as open though they ended. */
  ended: Ending[];
  /** Attempts that it does not have, in their order. */
  missing: Missing[];
}

interface Missing extends ClaimedEntry {
  /** When it was claimed. */
  at: Date;
  /** Null: it was under way when the journal ends, and the spool tells what became of it. */
  ending: Ending | null;
}

export interface WriteBackOptions {
  pool: Pool;
  node: string;
  journal: Pick<Journal, 'readBack'>;
  log: Logger;
}

const AT_ONCE = 500;
const ASKED_AT_ONCE = 5000;

/**
 * Brings a database that was restored from a copy, or that a failover cut short, up to what this node's journal knows of its
 * calls, before anything is claimed: so nobody is called again whose call the copy has not seen. Returns how many attempts it
 * wrote back; 0 at every other start, for the price of one query.
 */
export async function writeBack({ pool, node, journal, log }: WriteBackOptions): Promise<number> {
  const { ended, missing } = await findBehind(pool, node, await findTail(pool, journal));
  let written = 0;
  for (let i = 0; i < ended.length; i += AT_ONCE) {
    await inTurn(pool, (tx) => finish(tx, ended.slice(i, i + AT_ONCE)));
  }
  for (const batch of batchesOf(missing)) {
    written += await inTurn(pool, async (tx) => {
      const opened = await writeBackAttempts(tx, node, batch);
      await finish(
        tx,
        batch.flatMap(({ ending }) => ending ?? []),
      );
      return opened.size;
    });
  }
  if (ended.length + written > 0) {
    log.warn(
      { attempts: written, ended: ended.length, unknown: missing.length - written },
      'the database is older than the journal of this node, as after a restore from a copy: wrote back its calls, which are not made again; "unknown" are of contacts that the copy does not have, or has ended',
    );
  }
  return written;
}

async function inTurn<T>(pool: Pool, work: (tx: Tx) => Promise<T>): Promise<T> {
  return transaction(pool, async (tx) => {
    await waitForTurn(tx);
    return work(tx);
  });
}

async function finish(tx: Tx, endings: readonly Ending[]): Promise<void> {
  await (await finishAttempts(tx, endings)).written;
}

/**
 * The entries behind the last claim that the database has. Claims commit one after the other, so a database that has one has
 * all before it, apart from those that were deleted since.
 */
async function findTail(pool: Pool, journal: WriteBackOptions['journal']): Promise<JournalEntry[]> {
  const chunks: JournalEntry[][] = [];
  for (const chunk of journal.readBack()) {
    chunks.push(chunk);
    const claimed = chunk.flatMap((entry) => (entry.did === 'claimed' ? [entry.callId] : []));
    if (claimed.length > 0 && (await findAttemptStates(pool, claimed)).size > 0) break;
  }
  return chunks.toReversed().flat();
}

async function findBehind(pool: Pool, node: string, entries: readonly JournalEntry[]): Promise<Behind> {
  const claimed = entries.filter((entry) => entry.did === 'claimed');
  const released = new Set(entries.flatMap((e) => (e.did === 'released' ? [e.callId] : [])));
  const ends = new Map(entries.flatMap((e) => (e.did === 'ended' ? [[e.callId, e] as const] : [])));
  const endingOf = (callId: string): Ending | null => {
    const end = ends.get(callId);
    return end ? { callId, archiveStatus: null, as: end.disposition, fromJournal: end.at } : null;
  };
  // Whoever was claimed again had ended before, though a crash may have kept that from being written down.
  const lastOf = new Map(claimed.map(({ contactId, callId }) => [contactId, callId]));
  const endedBefore = ({ callId, contactId, at }: (typeof claimed)[number]): Ending | null =>
    lastOf.get(contactId) === callId ? null : { callId, archiveStatus: null, as: 'lost', fromJournal: at };
  const open = await listOpenAttempts(pool, node);
  const known = await statesOf(pool, claimed);
  return {
    ended: open.flatMap(({ callId }) => endingOf(callId) ?? []),
    missing: claimed
      .filter(({ callId }) => !known.has(callId) && !released.has(callId))
      .map((entry) => ({ ...entry, ending: endingOf(entry.callId) ?? endedBefore(entry) })),
  };
}

async function statesOf(pool: Pool, claimed: readonly ClaimedEntry[]): Promise<Set<string>> {
  const known = new Set<string>();
  for (let i = 0; i < claimed.length; i += ASKED_AT_ONCE) {
    const some = claimed.slice(i, i + ASKED_AT_ONCE).map(({ callId }) => callId);
    for (const callId of (await findAttemptStates(pool, some)).keys()) known.add(callId);
  }
  return known;
}

/** In their order, and of each contact one at most in a batch: the next may only be opened when it has ended. */
function* batchesOf(missing: readonly Missing[]): Generator<Missing[]> {
  let batch: Missing[] = [];
  let contacts = new Set<string>();
  for (const one of missing) {
    if (batch.length === AT_ONCE || contacts.has(one.contactId)) {
      yield batch;
      batch = [];
      contacts = new Set();
    }
    batch.push(one);
    contacts.add(one.contactId);
  }
  if (batch.length > 0) yield batch;
}
