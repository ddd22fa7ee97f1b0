import { readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Recordings } from '../agi/flow/record.js';
import { type CallId, logNamesOf, parseCallId } from '../calls/call-id.js';
import { findAttemptStates } from '../db/open-attempts.js';
import type { Pool } from '../db/pool.js';
import { insertRecording } from '../db/recordings.js';
import { newId } from '../ids.js';
import type { Logger } from '../log.js';
import { isWhole, type Recorded, readRecorded } from '../messages/recorded.js';

// `<spool>/campanile/recordings/<call id>.<step>.<recording id>.wav`: Asterisk writes it, and whoever finds it when it is over stores
// it and removes it: the flow that asked for it, or, where the process or the database was away then, the sweep.
const NAME =
  /^([0-9a-f-]{36}\.[0-9a-f-]{36})\.([a-z][a-z0-9_]{0,39})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.wav$/;

/** What callees say, on its way from Asterisk's files into the database. */
export interface CallRecordings {
  /** Of one call. */
  of(callId: CallId): Recordings;
  /** Stores what calls that are over have left behind. Returns how many files it removed. */
  sweep(): Promise<number>;
}

interface Named {
  name: string;
  callId: CallId;
  step: string;
  id: string;
}

/** Asterisk tells that it has ended a recording before it closes the file. */
const CLOSED_WITHIN_MS = 2_000;

export function createCallRecordings(pool: Pool, directory: string, log: Logger): CallRecordings {
  async function store({ name, callId, step, id }: Named, recorded: Recorded): Promise<void> {
    const { file: audio, seconds, saysSomething } = recorded;
    const ids = parseCallId(callId)!;
    if (saysSomething) {
      await insertRecording(pool, { ...ids, id, step, seconds, audio });
      log.debug({ ...logNamesOf(callId), step, recording: id, seconds }, 'recording stored');
    }
    await rm(join(directory, name), { force: true });
  }

  return {
    of: (callId) => ({
      pathFor: (step) => join(directory, `${callId}.${step}.${newId()}`),
      async keep(path) {
        const named = read(`${basename(path)}.wav`)!;
        const recorded = readRecorded(await readClosed(`${path}.wav`));
        // The flow goes on with its id, and the sweep stores it later.
        await store(named, recorded).catch((error) =>
          log.error({ ...logNamesOf(callId), step: named.step, err: error }, 'cannot store a recording'),
        );
        return { id: recorded.saysSomething ? named.id : null, seconds: recorded.seconds };
      },
    }),
    async sweep() {
      const found = (await readdir(directory)).flatMap((name) => read(name) ?? []);
      if (found.length === 0) return 0;
      const states = await findAttemptStates(pool, [...new Set(found.map(({ callId }) => callId))]);
      let removed = 0;
      for (const named of found) {
        // While it is open, the call may be recording, or its flow about to store it.
        if (states.get(named.callId)?.state === 'open') continue;
        const bytes = await readFile(join(directory, named.name)).catch(missing);
        if (!bytes) continue;
        await store(named, readRecorded(bytes));
        removed += 1;
      }
      return removed;
    },
  };
}

/** Null for a file that is somebody else's. */
function read(name: string): Named | null {
  const [, callId, step, id] = NAME.exec(name) ?? [];
  return callId && step && id && parseCallId(callId) ? { name, callId, step, id } : null;
}

async function readClosed(path: string): Promise<Buffer> {
  const until = performance.now() + CLOSED_WITHIN_MS;
  for (;;) {
    const bytes = await readFile(path);
    if (isWhole(bytes) || performance.now() > until) return bytes;
    await delay(10);
  }
}

/** Its flow was quicker. */
function missing(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null;
  throw error;
}
