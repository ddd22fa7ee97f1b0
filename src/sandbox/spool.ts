import {
  appendFileSync,
  closeSync,
  constants,
  type FSWatcher,
  futimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  watch,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { ArchiveStatus } from '../calls/disposition.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { parseCallFile } from '../spool/call-file.js';
import { type CallOrder, isArchived, readOrder } from './call-order.js';

export interface SpoolOptions {
  /** Holds outgoing/, which is made, and outgoing_done/, which is made at the first archive. */
  directory: string;
  /** What StartRetry tells. */
  pid: number;
  log: Logger;
  /** Makes a call; resolves when it is over, true when it was answered. Never rejects. */
  call(order: CallOrder): Promise<boolean>;
}

/** Where a file of outgoing/ stands: when it is looked at again (seconds since 1970), and whether its call goes on. */
interface Entry {
  due: number;
  calling: boolean;
}

const SWEEP_MS = 1_000;
const APPEND = constants.O_RDWR | constants.O_APPEND;

/**
 * The spool directory as pbx/pbx_spool.c serves it. All file work is synchronous: a call costs ten system calls of some
 * microseconds each, and a turn through Node's thread pool for every one of them would cost more.
 */
export class Spool {
  readonly #options: SpoolOptions;
  readonly #outgoing: string;
  readonly #done: string;
  readonly #entries = new Map<string, Entry>();
  #buffer = Buffer.alloc(65_536);
  #watcher: FSWatcher | null = null;
  #sweeper: NodeJS.Timeout | null = null;
  #frozen = false;

  constructor(options: SpoolOptions) {
    this.#options = options;
    this.#outgoing = join(options.directory, 'outgoing');
    this.#done = join(options.directory, 'outgoing_done');
  }

  /** Takes the files that are there and from now on those that come. */
  open(): void {
    mkdirSync(this.#outgoing, { recursive: true });
    this.#watcher = watch(this.#outgoing, (event, name) => {
      // A file that comes or goes is a 'rename'. Our own appends are the 'change's.
      if (event === 'rename' && name !== null) this.#try(() => this.#come(name));
    });
    this.#watcher.on('error', (err) => this.#options.log.error({ err }, 'cannot watch outgoing/'));
    // macOS may tell of nothing at all. The events are hints, the sweep finds whatever they missed.
    this.#sweeper = setInterval(() => this.#try(() => this.#sweep()), SWEEP_MS);
    this.#sweep();
  }

  /** Takes no more files. Calls that are going on are archived when they end. */
  close(): void {
    this.#watcher?.close();
    if (this.#sweeper) clearInterval(this.#sweeper);
  }

  /** Takes no more files and touches none. */
  freeze(): void {
    this.#frozen = true;
    this.close();
  }

  /** Asterisk, too, only logs what it cannot do with a file. */
  #try(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#options.log.error({ err: error }, `cannot serve the spool: ${messageOf(error)}`);
    }
  }

  #sweep(): void {
    const now = seconds();
    for (const [name, { due }] of this.#entries) {
      if (due <= now) this.#take(name, now);
    }
    for (const name of readdirSync(this.#outgoing)) {
      if (!this.#entries.has(name)) this.#come(name);
    }
  }

  #come(name: string): void {
    if (this.#entries.get(name)?.calling || this.#frozen) return;
    const stats = statSync(join(this.#outgoing, name), { throwIfNoEntry: false });
    if (!stats?.isFile()) {
      this.#entries.delete(name);
      return;
    }
    const due = Math.floor(stats.mtimeMs / 1000);
    const now = seconds();
    if (due > now) this.#entries.set(name, { due, calling: false });
    else this.#take(name, now);
  }

  #take(name: string, now: number): void {
    const path = join(this.#outgoing, name);
    const before = this.#entries.get(name);
    let file: number;
    try {
      file = openSync(path, APPEND);
    } catch (error) {
      this.#entries.delete(name);
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      this.#options.log.warn(`cannot open ${path}, deleting it: ${messageOf(error)}`);
      rmSync(path, { force: true });
      return;
    }
    try {
      this.#begin(name, file, now, before?.calling ?? false);
    } finally {
      closeSync(file);
    }
  }

  /** scan_service() in pbx_spool.c. */
  #begin(name: string, file: number, now: number, calling: boolean): void {
    const { pid, call } = this.#options;
    const parsed = parseCallFile(this.#read(file));
    const order = readOrder(parsed);
    if (!order || order.retries > order.maxRetries) {
      this.#archive(name, isArchived(parsed), order ? 'Expired' : 'Failed');
      return;
    }
    const due = now + order.retryTime;
    this.#entries.set(name, { due, calling: calling || order.callingPid !== pid });
    if (order.callingPid === pid) {
      this.#append(file, order, `\nDelayedRetry: ${pid} ${order.retries} (${now})\n`, now);
      return;
    }
    order.retries += 1;
    const aborted = order.callingPid ? `\nAbortRetry: ${pid} ${order.retries} (${now})\n` : '';
    this.#append(file, order, `${aborted}\nStartRetry: ${pid} ${order.retries} (${due})\n`, due);
    void call(order).then((answered) => this.#try(() => this.#finish(name, order, answered)));
  }

  #read(file: number): string {
    let length = 0;
    for (;;) {
      const read = readSync(file, this.#buffer, length, this.#buffer.length - length, length);
      length += read;
      if (read === 0) return this.#buffer.toString('utf8', 0, length);
      if (length === this.#buffer.length)
        this.#buffer = Buffer.concat([this.#buffer], this.#buffer.length * 2);
    }
  }

  /** safe_append() in pbx_spool.c: the file's time becomes `time` plus RetryTime. */
  #append(file: number, { retryTime }: CallOrder, text: string, time: number): void {
    this.#try(() => {
      writeSync(file, text);
      futimesSync(file, time, time + retryTime);
    });
  }

  #finish(name: string, order: CallOrder, answered: boolean): void {
    if (this.#frozen) return;
    if (answered || order.retries > order.maxRetries) {
      this.#archive(name, order.archive, answered ? 'Completed' : 'Expired');
      return;
    }
    const now = seconds();
    const path = join(this.#outgoing, name);
    appendFileSync(path, `\nEndRetry: ${this.#options.pid} ${order.retries} (${now})\n`);
    utimesSync(path, now, now + order.retryTime);
    this.#entries.set(name, { due: now + order.retryTime, calling: false });
  }

  /** remove_from_queue() in pbx_spool.c: a reader can see the file in outgoing_done/ before its Status is there. */
  #archive(name: string, keep: boolean, status: ArchiveStatus): void {
    this.#entries.delete(name);
    const from = join(this.#outgoing, name);
    const to = join(this.#done, name);
    try {
      if (keep) {
        moveInto(this.#done, from, to);
        appendFileSync(to, `Status: ${status}\n`);
      } else rmSync(from, { force: true });
    } catch (error) {
      this.#options.log.warn(`cannot archive ${from}, deleting it: ${messageOf(error)}`);
      rmSync(from, { force: true });
    }
  }
}

/** Renames, and makes the directory only when that fails: it is there for every call but the first. */
function moveInto(directory: string, from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch {
    mkdirSync(directory, { recursive: true });
    renameSync(from, to);
  }
}

function seconds(): number {
  return Math.floor(Date.now() / 1000);
}
