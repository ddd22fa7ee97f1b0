import { execFile } from 'node:child_process';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/root.js';
import { place, stage, unstage } from '../../src/spool/writer.js';
import { compile } from '../support/program.js';
import { CONTENT, list, makeSpool, newCall, type TempSpool } from './temp-spool.js';

let temp: TempSpool;
beforeEach(async () => {
  temp = await makeSpool({ owner: { uid: process.getuid!(), gid: process.getgid!() }, mode: 0o604 });
});
afterEach(() => temp.remove());

describe('staging', () => {
  it('writes all files with owner and mode, whatever the umask', async () => {
    const calls = Array.from({ length: 50 }, newCall);
    const umask = process.umask(0o077);
    try {
      await stage(
        temp.spool,
        calls.map(({ name, callId }) => ({ name, content: `${CONTENT}Account: ${callId}\n` })),
      );
    } finally {
      process.umask(umask);
    }
    expect(await list(temp.spool.staging)).toEqual(calls.map(({ name }) => name).toSorted());
    for (const { name, callId } of calls) {
      const path = join(temp.spool.staging, name);
      expect((await stat(path)).mode & 0o777).toBe(0o604);
      expect(await readFile(path, 'utf8')).toBe(`${CONTENT}Account: ${callId}\n`);
    }
  });

  it.runIf(process.getuid?.() === 0)('gives files to their owner', async () => {
    const { name } = newCall();
    await stage({ ...temp.spool, owner: { uid: 4711, gid: 4712 } }, [{ name, content: CONTENT }]);
    const { uid, gid } = await stat(join(temp.spool.staging, name));
    expect([uid, gid]).toEqual([4711, 4712]);
  });

  it('stages none when one cannot be written, and leaves alone what was there before', async () => {
    const calls = Array.from({ length: 5 }, newCall);
    await writeFile(join(temp.spool.staging, calls[3]!.name), 'there before');
    await expect(
      stage(
        temp.spool,
        calls.map(({ name }) => ({ name, content: CONTENT })),
      ),
    ).rejects.toMatchObject({ code: 'spool_write_failed', message: expect.stringContaining(calls[3]!.name) });
    expect(await list(temp.spool.staging)).toEqual([calls[3]!.name]);
    expect(await readFile(join(temp.spool.staging, calls[3]!.name), 'utf8')).toBe('there before');
  });

  it('refuses a name that is not a call file of ours, before it writes anything', async () => {
    const { name } = newCall();
    for (const bad of [
      '../outgoing/x.call',
      'x.call',
      `${name}.call`,
      name.slice(1),
      name.replace('.call', ''),
    ]) {
      await expect(
        stage(temp.spool, [
          { name, content: CONTENT },
          { name: bad, content: CONTENT },
        ]),
      ).rejects.toMatchObject({ code: 'spool_name_refused' });
    }
    expect(await list(temp.spool.staging)).toEqual([]);
  });
});

describe('a file that is cut short while it is written', () => {
  it('is an error, and is not left behind', async () => {
    await compile();
    const { name } = newCall();
    const script = `
      import { stage } from ${JSON.stringify(join(packageRoot, 'dist/src/spool/writer.js'))};
      const spool = ${JSON.stringify(temp.spool)};
      await stage(spool, [{ name: '${name}', content: 'x'.repeat(1500) }]).catch((error) => console.log(error.message));`;
    // No file may have more than a KiB: the kernel writes that much, and tells of an error only when asked for more.
    const limited = [
      '-c',
      'ulimit -f 1 && exec "$@"',
      'bash',
      process.execPath,
      '--input-type=module',
      '-e',
      script,
    ];
    const { stdout } = await promisify(execFile)('bash', limited);
    expect(stdout).toContain(`cannot write call file ${name}: EFBIG`);
    expect(await list(temp.spool.staging)).toEqual([]);
  });
});

describe('placing', () => {
  it('moves files into outgoing/ and tells which it could not', async () => {
    const [first, lost, last] = [newCall(), newCall(), newCall()];
    await stage(
      temp.spool,
      [first, lost, last].map(({ name }) => ({ name, content: CONTENT })),
    );
    await rm(join(temp.spool.staging, lost.name));
    const failed = await place(temp.spool, [first.name, lost.name, last.name]);
    expect(failed).toEqual([{ name: lost.name, reason: expect.stringContaining('ENOENT') }]);
    expect(await list(temp.spool.outgoing)).toEqual([first.name, last.name].toSorted());
    expect(await list(temp.spool.staging)).toEqual([]);
  });

  it('taking back removes what is there and minds nothing that is not', async () => {
    const [one, other] = [newCall(), newCall()];
    await stage(temp.spool, [{ name: one.name, content: CONTENT }]);
    unstage(temp.spool, [one.name, other.name]);
    expect(await list(temp.spool.staging)).toEqual([]);
  });
});
