import { existsSync } from 'node:fs';
import { copyFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Allowance, type Fault, NotReached } from '../fault.js';
import type { ChaosLab } from '../lab.js';
import { ASTERISK_DIED } from './asterisk.js';

// The machine's clock is not ours to set. libfaketime (Debian's package faketime) tells Campanile and Asterisk another time
// than it is: what their timers count goes on, and file times, which the kernel writes, stay those of the real clock. That is
// harsher than a clock that is set, which moves file times with it. Postgres keeps its clock, as one on another machine does.

const LIBRARY = ['x86_64-linux-gnu', 'aarch64-linux-gnu']
  .map((machine) => `/usr/lib/${machine}/faketime/libfaketimeMT.so.1`)
  .find((path) => existsSync(path));
const HOLD_MS = 12_000;
const UP_MS = 4000;

async function setClock(file: string, offset: string): Promise<void> {
  await writeFile(`${file}.new`, `${offset}\n`);
  await rename(`${file}.new`, file);
}

/** Both have a clock that can be set, from their next start on. */
async function withClocks(lab: ChaosLab): Promise<string> {
  if (!LIBRARY) throw new NotReached('there is no libfaketime here (apt-get install faketime)');
  // Asterisk sees the spool, and nothing else of here.
  const file = join(lab.asterisk.spoolDir, 'clock');
  const library = join(lab.asterisk.spoolDir, 'libfaketime.so');
  await setClock(file, '+0');
  if (lab.asterisk.env.LD_PRELOAD === library) return file;
  await copyFile(LIBRARY, library);
  const env = {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_CACHE_DURATION: '1',
    DONT_FAKE_MONOTONIC: '1',
  };
  Object.assign(lab.asterisk.env, env);
  Object.assign(lab.campanile.env, env);
  await lab.campanile.kill();
  await lab.asterisk.kill();
  try {
    await lab.asterisk.start();
  } catch {
    for (const name of Object.keys(env)) {
      delete lab.asterisk.env[name];
      delete lab.campanile.env[name];
    }
    await lab.asterisk.start();
    throw new NotReached('this Asterisk is of an older Debian, which cannot load the libfaketime of here');
  } finally {
    await lab.campanile.start();
  }
  await sleep(UP_MS);
  return file;
}

const MOVED: Allowance = {
  because: `${ASTERISK_DIED.because}; where the clock goes forward, calls that ring are given up, and who answers just then too`,
  dispositions: [...ASTERISK_DIED.dispositions!, 'no_answer', 'unreachable'],
};

function moved(how: string, offset: string): Fault {
  return {
    kind: `the clock moved ${how} by an hour`,
    component: 'clock',
    needs: ['campanile', 'asterisk', 'spool'],
    seconds: 50,
    allows: MOVED,
    async inject(lab) {
      const file = await withClocks(lab);
      await setClock(file, offset);
      await sleep(HOLD_MS);
      await setClock(file, '+0');
    },
  };
}

/** The clock of Campanile and Asterisk, an hour ahead and an hour behind. */
export const clockFaults: readonly Fault[] = [moved('forward', '+3600'), moved('back', '-3600')];
