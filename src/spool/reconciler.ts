import { existsSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { CallId } from '../calls/call-id.js';
import { messageOf } from '../errors.js';
import { createDoubts } from './doubts.js';
import { createInventory, type FoundFile } from './inventory.js';
import { type Action, type Finding, recover } from './reconcile.js';
import { type Concerned, type Counts, createRecovery, type RecoveryOptions } from './recovery.js';
import type { Reports } from './reports.js';
import { type Compared, type Orphans, Tally } from './tally.js';
import { ANNOUNCE_SECONDS, Waiting } from './waiting.js';

export type { Counts, FoundEnding } from './recovery.js';

/** What FastAGI heard of an attempt. Without `hangupAt`, calls whose archiving failed are found at Asterisk's restart. */
export interface Heard {
  sawAnswer: boolean;
  hangupAt?: Date | null;
}

export interface ReconcilerOptions extends RecoveryOptions {
  attempts: {
    /** States of these attempts; those that do not exist are missing from the answer. */
    findStates(callIds: CallId[]): Promise<Map<CallId, Heard & { state: 'open' | 'ended' }>>;
    /** All open attempts of this node. */
    listOpen(): Promise<(Heard & { callId: CallId })[]>;
  };
  reports: Pick<Reports, 'tidy'>;
  /** The calls that Asterisk has a channel of; null when it cannot be asked. Without it nobody is asked. */
  findUp?(): Promise<ReadonlySet<CallId> | null>;
  everySeconds?: number;
  graceSeconds?: number;
  announceSeconds?: number;
  /** Told after each run what was done, and how many of these were files without an attempt and attempts without a file. */
  onReconciled?: ((counts: Counts, orphans: Orphans) => void) | undefined;
}

export interface Reconciler {
  /** Looks at everything once and sets it right. Returns what was done, by action; throws when the database does. */
  run(): Promise<Counts>;
  /** Runs every `everySeconds`, from one interval on from now. */
  start(): void;
  stop(): Promise<void>;
  /** The spool cannot be written: nothing that waits there is told of again until `doubt`. */
  hold(): void;
  /** The spool could not be written, and can again: the next run asks Asterisk about what lies there. */
  doubt(): void;
  /** What the PBX had not taken when it looked last; null when it takes its calls. */
  untaken(): { files: number; since: Date } | null;
  /** The last comparison that went through; null before the first. */
  compared(): Compared | null;
}

/** An open attempt without a file. */
type Absent = Omit<Finding, 'asteriskStartedAt' | 'now' | 'graceSeconds'> & { callId: CallId };

const EVERY_SECONDS = 5;
const GRACE_SECONDS = 10;
const ARCHIVES_MS = 1000;

/** Brings the spool and the attempts in the database together: at a start, and for whatever went wrong since. */
export function createReconciler(options: ReconcilerOptions): Reconciler {
  const { spool, log, inFlight, attempts, reports } = options;
  const { everySeconds = EVERY_SECONDS, graceSeconds = GRACE_SECONDS } = options;
  const { announceSeconds = ANNOUNCE_SECONDS } = options;
  const takeInventory = createInventory(spool, { inFlight, announceSeconds });
  const doubts = createDoubts(options.findUp);
  const carryOut = createRecovery(options);
  const missingSince = new Map<CallId, Date>();
  const waiting = new Waiting();
  let compared: Compared | null = null;
  let current: Promise<Counts> | null = null;
  let timer: NodeJS.Timeout | undefined;
  let running = false;

  async function reconcile(): Promise<Counts> {
    // The open attempts before the directories: each had its file when it was listed, so one whose file is in none of
    // them has lost it. The other way round an attempt claimed meanwhile would look like that.
    const open = await attempts.listOpen();
    const { files, seen, asteriskStartedAt } = await takeInventory();
    // The states after the directories: a file in outgoing/ was placed after its claim had committed, so it has its
    // attempt by now; the other way round it would look like one without.
    const asked = [...new Set(files.map((found) => found.callId))];
    const states = asked.length > 0 ? await attempts.findStates(asked) : new Map();
    const doubtful = await doubts.settle(files, asteriskStartedAt !== null);
    // A call that is over just now is archived at once.
    if ([...doubtful.values()].some(({ isUp }) => isUp === false)) await delay(ARCHIVES_MS);
    const now = new Date();
    waiting.look(files, now);
    const common = { asteriskStartedAt, now, graceSeconds };
    const tally = new Tally();
    const decisions = new Map<Action, Concerned[]>();
    const decide = (finding: Finding, concerned: Concerned) => {
      const action = recover(finding);
      tally.add(finding, action);
      const same = decisions.get(action);
      if (same) same.push(concerned);
      else decisions.set(action, [concerned]);
    };
    for (const found of files) {
      const { callId } = found;
      const { state = 'none', sawAnswer = false, hangupAt = null } = states.get(callId) ?? {};
      dropSecondLink(found);
      const heard = { attempt: state, sawAnswer, hangupAt };
      const patience = waiting.patienceSeconds(found, announceSeconds);
      decide(
        { ...common, ...found, ...doubtful.get(found.name), ...heard, announceSeconds: patience },
        { callId, found },
      );
    }
    for (const absent of await listMissing(open, seen, now))
      decide({ ...common, ...absent }, { callId: absent.callId, found: null });
    compared = tally.compared();
    const counts = await carryOut(decisions);
    options.onReconciled?.(counts, tally.orphans);
    reports.tidy(new Set(open.map(({ callId }) => callId)));
    if (Object.keys(counts).length > 0) log.info(counts, 'reconciled spool and database');
    return counts;
  }

  /** Removes what `announceAgain` left in staging/ when we died in it. */
  function dropSecondLink({ name, file, directory }: FoundFile): void {
    const staged = join(spool.staging, name);
    // Both, now: the file may have been withdrawn to staging/ since it was listed, and then it is the only one.
    const both = file !== 'staging' && existsSync(staged) && existsSync(join(directory, name));
    if (both) unlinkSync(staged);
  }

  /** Open attempts without a file. An attempt may just be ending, so it must have been missed for a while. */
  async function listMissing(
    open: (Heard & { callId: CallId })[],
    seen: ReadonlySet<CallId>,
    now: Date,
  ): Promise<Absent[]> {
    const absent = open.filter(({ callId }) => !seen.has(callId) && !inFlight(callId));
    const ids = new Set(absent.map(({ callId }) => callId));
    for (const callId of missingSince.keys()) if (!ids.has(callId)) missingSince.delete(callId);
    for (const callId of ids) if (!missingSince.has(callId)) missingSince.set(callId, now);
    // Whose file was taken away may still be talking, and must not be called again meanwhile.
    const isOld = (since: Date) => now.getTime() - since.getTime() >= graceSeconds * 1000;
    const up = [...missingSince.values()].some(isOld) ? await options.findUp?.() : null;
    return absent.map(({ callId, sawAnswer, hangupAt = null }) => ({
      callId,
      attempt: 'open',
      file: 'nowhere',
      since: missingSince.get(callId)!,
      begunAt: null,
      sameRun: null,
      isUp: up?.has(callId) ?? null,
      sawAnswer,
      hangupAt,
      announceSeconds,
    }));
  }

  function run(): Promise<Counts> {
    current ??= reconcile().finally(() => {
      current = null;
    });
    return current;
  }

  function runLater(): void {
    timer = setTimeout(() => {
      void run()
        .catch((error: unknown) => log.error({ reason: messageOf(error) }, 'cannot reconcile the spool'))
        .finally(() => running && runLater());
    }, everySeconds * 1000);
  }

  return {
    run,
    hold: doubts.hold,
    doubt: doubts.begin,
    untaken: () => waiting.untaken,
    compared: () => compared,
    start() {
      if (running) return;
      running = true;
      runLater();
    },
    async stop() {
      running = false;
      clearTimeout(timer);
      await current?.catch(() => {});
    },
  };
}
