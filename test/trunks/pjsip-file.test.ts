import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readPjsipFile, writePjsipFile } from '../../src/trunks/pjsip-file.js';

let directory: string;
let file: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'campanile-pjsip-'));
  file = join(directory, 'pjsip.conf');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

it('replaces the file whole, readable for its owner and his group only', async () => {
  expect(await readPjsipFile(file)).toBeNull();
  await writePjsipFile(file, 'one\n', null);
  await chmod(file, 0o644);
  const { ino } = await stat(file);
  await writeFile(`${file}.${process.pid}.draft`, 'left by a crash', { mode: 0o666 });
  await writePjsipFile(file, 'two\n', { uid: process.getuid!(), gid: process.getgid!() });
  expect(await readFile(file, 'utf8')).toBe('two\n');
  expect((await stat(file)).mode & 0o777).toBe(0o640);
  expect((await stat(file)).ino).not.toBe(ino);
  expect(await readdir(directory)).toEqual(['pjsip.conf']);
});

it('says why it cannot, and leaves no draft', async () => {
  const inNone = join(directory, 'none', 'pjsip.conf');
  await expect(writePjsipFile(inNone, 'x', null)).rejects.toMatchObject({
    code: 'pjsip_file',
    message: expect.stringMatching(/^cannot write .*none\/pjsip.conf: ENOENT/),
  });
  await rm(file, { force: true });
  await expect(readPjsipFile(directory)).rejects.toMatchObject({ code: 'pjsip_file' });
  expect(await readdir(directory)).toEqual([]);
});
