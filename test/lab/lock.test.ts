import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withFileLock } from '../../src/lab/lock.js';

let dir: string;
let path: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'campanile-lock-'));
  path = join(dir, 'image.lock');
});

afterEach(async () => {
  await rm(dir, { recursive: true });
});

function deferred() {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

describe.runIf(process.platform === 'linux')('withFileLock', () => {
  it('lets the second caller in when the first is done, and tells it that it waits', async () => {
    const events: string[] = [];
    const [entered, leave, waits] = [deferred(), deferred(), deferred()];
    const first = withFileLock(path, async () => {
      entered.resolve();
      await leave.promise;
      events.push('first done');
    });
    await entered.promise;
    const second = withFileLock(path, async () => events.push('second in'), waits.resolve);
    await waits.promise;
    expect(events).toEqual([]);
    leave.resolve();
    await Promise.all([first, second]);
    expect(events).toEqual(['first done', 'second in']);
  });

  it('gives back what the work gives, and is free again after work that failed', async () => {
    await expect(withFileLock(path, async () => Promise.reject(new Error('no disk')))).rejects.toThrow(
      'no disk',
    );
    expect(await withFileLock(path, async () => 'image')).toBe('image');
  });

  it('is free again when the process that held it was killed', async () => {
    // Holds the lock the way withFileLock does, in a process that can be killed without killing the tests.
    const script = `require('node:child_process').spawn('flock', ['--exclusive', ${JSON.stringify(path)}, 'sh', '-c', 'echo locked; exec cat'], { stdio: ['pipe', 'inherit', 'inherit'] })`;
    const holder = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(holder.stdout, 'data');
    const waits = deferred();
    const work = withFileLock(path, async () => 'in', waits.resolve);
    await waits.promise;
    holder.kill('SIGKILL');
    expect(await work).toBe('in');
  });

  it('says which file it could not lock', async () => {
    await expect(withFileLock(join(dir, 'no/such/dir.lock'), async () => 'in')).rejects.toThrow(
      /cannot lock .*dir\.lock/,
    );
  });
});
