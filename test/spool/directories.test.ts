import { chmod, chown, mkdir, mkdtemp, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSpool, type Spool } from '../../src/spool/directories.js';
import { canEnter, canWrite, networkFilesystem } from '../../src/spool/permissions.js';
import { list, makeRoot } from './temp-spool.js';

// What only root may do (giving files away, other users' rights) is shown where the tests run as root, as in CI.
const isRoot = process.getuid?.() === 0;

let root: string;
let run: string;
let remove: () => Promise<void>;
beforeEach(async () => {
  ({ root, run, remove } = await makeRoot());
});
afterEach(() => remove());

function open(options: { owner?: { uid: number; gid: number } | null; spool?: string } = {}): Promise<Spool> {
  return openSpool({ spool: root, owner: null, mode: 0o660, asteriskRun: run, ...options });
}

/** What the message of the refusal ends with. */
async function repairOf(opened: Promise<Spool>): Promise<string> {
  const error: { code: string; message: string } = await opened.then(
    () => expect.fail('it was opened'),
    (reason) => reason,
  );
  expect(error.code).toBe('spool_unusable');
  return error.message.split('; repair it with: ')[1]!;
}

describe('opening a spool', () => {
  it('makes what is missing, and opens it again as it is', async () => {
    const spool = await open();
    expect(await list(root)).toEqual(['campanile', 'outgoing', 'outgoing_done']);
    expect(await list(join(root, 'campanile'))).toEqual([
      'journal',
      'kept',
      'quarantine',
      'recordings',
      'reports',
      'staging',
    ]);
    expect(await list(spool.staging)).toEqual([]);
    await writeFile(join(spool.done, 'somebody-elses'), '');
    await open();
    expect(await list(spool.done)).toEqual(['somebody-elses']);
  });

  it.runIf(isRoot)('gives what it makes, and call files, to the owner of outgoing/', async () => {
    await chown(join(root, 'outgoing'), 4711, 4712);
    await chmod(join(root, 'outgoing'), 0o750);
    const spool = await open();
    for (const directory of [spool.done, spool.reports, spool.staging]) {
      const made = await stat(directory);
      expect([made.uid, made.gid, made.mode & 0o777]).toEqual([4711, 4712, 0o750]);
    }
    expect(spool.owner).toEqual({ uid: 4711, gid: 4712 });
  });

  it('keeps the owner that the admin named', async () => {
    const owner = { uid: process.getuid!(), gid: process.getgid!() };
    expect((await open({ owner })).owner).toEqual(owner);
  });
});

describe('a spool that will not do is refused with the command that repairs it', () => {
  it('no outgoing/', async () => {
    await rm(join(root, 'outgoing'), { recursive: true });
    expect(await repairOf(open())).toBe(`install -d -o asterisk -g asterisk -m 0770 ${root}/outgoing`);
  });

  it('an outgoing/ that is a file', async () => {
    await rm(join(root, 'outgoing'), { recursive: true });
    await writeFile(join(root, 'outgoing'), '');
    expect(await repairOf(open())).toContain(`rm ${root}/outgoing && install -d `);
  });

  it('an outgoing_done that is a file', async () => {
    await writeFile(join(root, 'outgoing_done'), '');
    expect(await repairOf(open())).toMatch(
      /^rm .*outgoing_done && install -d -o \d+ -g \d+ -m 0755 .*outgoing_done$/,
    );
  });

  it('an outgoing_done on another filesystem, where Asterisk would delete what is over', async () => {
    const elsewhere = await mkdtemp('/dev/shm/campanile-');
    try {
      expect((await stat(elsewhere)).dev).not.toBe((await stat(root)).dev);
      await symlink(elsewhere, join(root, 'outgoing_done'));
      expect(await repairOf(open())).toContain(`mkdir ${root}/outgoing_done`);
    } finally {
      await rm(elsewhere, { recursive: true });
    }
  });

  it.runIf(isRoot)('an outgoing_done that Asterisk cannot write into', async () => {
    await chown(join(root, 'outgoing'), 4711, 4712);
    await mkdir(join(root, 'outgoing_done'), { mode: 0o755 });
    expect(await repairOf(open())).toBe(
      `chown 4711:4712 ${root}/outgoing_done && chmod u+rwx ${root}/outgoing_done`,
    );
  });

  it.runIf(isRoot)('a directory of ours that Asterisk cannot pass through', async () => {
    await chown(join(root, 'outgoing'), 4711, 4712);
    await mkdir(join(root, 'campanile'), { mode: 0o700 });
    expect(await repairOf(open())).toBe(`chmod a+x ${root}/campanile`);
  });

  it('a path so long that Asterisk would cut it', async () => {
    const long = join(root, 'x'.repeat(150));
    await rename(root, join(root, '..', 'moved'));
    await mkdir(join(long, 'outgoing'), { recursive: true });
    expect(await repairOf(open({ spool: long }))).toContain(`ln -s ${long} `);
  });

  it('a path that a call file cannot name, before a call is placed', async () => {
    const odd = join(root, 'my spool');
    await mkdir(join(odd, 'outgoing'), { recursive: true });
    expect(await repairOf(open({ spool: odd }))).toContain(`ln -s '${odd}' `);
  });
});

describe('rights and filesystems', () => {
  it('a user writes by the first class of bits that fits, as the kernel does', () => {
    const asterisk = { uid: 101, gid: 102 };
    expect(canWrite(asterisk, { uid: 101, gid: 0, mode: 0o700 })).toBe(true);
    expect(canWrite(asterisk, { uid: 101, gid: 102, mode: 0o077 })).toBe(false);
    expect(canWrite(asterisk, { uid: 0, gid: 102, mode: 0o770 })).toBe(true);
    expect(canWrite(asterisk, { uid: 0, gid: 102, mode: 0o750 })).toBe(false);
    expect(canWrite(asterisk, { uid: 0, gid: 0, mode: 0o777 })).toBe(true);
    expect(canWrite(asterisk, { uid: 0, gid: 0, mode: 0o776 })).toBe(false);
    expect(canWrite({ uid: 0, gid: 0 }, { uid: 101, gid: 102, mode: 0 })).toBe(true);
    expect(canEnter(asterisk, { uid: 0, gid: 0, mode: 0o701 })).toBe(true);
    expect(canEnter(asterisk, { uid: 0, gid: 0, mode: 0o700 })).toBe(false);
  });

  it('knows NFS, and SMB whose number is negative in 32 bits', () => {
    expect(networkFilesystem(0x6969)).toBe('NFS');
    expect(networkFilesystem(0xff534d42 | 0)).toBe('SMB');
    expect(networkFilesystem(0xef53)).toBeNull();
  });
});

describe('when Asterisk started', () => {
  it('is the newer of its two files, and null when there is none', async () => {
    const spool = await open();
    expect(await spool.asteriskStartedAt()).toBeNull();
    const [early, late] = [new Date(1_700_000_000_000), new Date(1_700_000_005_000)];
    for (const [name, time] of [
      ['asterisk.pid', late],
      ['asterisk.ctl', early],
    ] as const) {
      await writeFile(join(run, name), '');
      await utimes(join(run, name), time, time);
    }
    expect(await spool.asteriskStartedAt()).toEqual(late);
    await rm(join(run, 'asterisk.pid'));
    expect(await spool.asteriskStartedAt()).toEqual(early);
  });
});
