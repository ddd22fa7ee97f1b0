import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { canHaveAsterisk, ensureAsterisk, ensureImage, type Image } from '../../src/lab/image.js';

let cacheDir: string;
let said: string[];
const log = (line: string) => void said.push(line);

beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'campanile-image-'));
  said = [];
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(cacheDir, { recursive: true });
});

async function placeImage(suite: 'sid' | 'bullseye', version: string): Promise<Image> {
  const root = join(cacheDir, `asterisk-${suite}-1`);
  const image: Image = { root, suite, asteriskUid: 101, asteriskGid: 101, version };
  await mkdir(root);
  await writeFile(join(root, 'campanile-image.json'), JSON.stringify(image));
  return image;
}

it('finds an image that was made before, without building or locking', async () => {
  const image = await placeImage('sid', '22.10.1');
  expect(await ensureImage({ suite: 'sid', cacheDir, log })).toEqual(image);
  expect(said).toEqual([]);
  expect(await readdir(cacheDir)).toEqual(['asterisk-sid-1']);
});

it('takes the Asterisk that was asked for', async () => {
  const [image22, image16] = [await placeImage('sid', '22.10.1'), await placeImage('bullseye', '16.28.0')];
  expect(await ensureAsterisk({ prefer: '22', cacheDir, log })).toEqual({ image: image22, note: null });
  expect(await ensureAsterisk({ prefer: '16', cacheDir, log })).toEqual({ image: image16, note: null });
});

describe.runIf(canHaveAsterisk() === null)('a build that fails', () => {
  beforeEach(async () => {
    // Stands in for a day on which the suite cannot be installed; apt-get must not be needed for it.
    const bin = join(cacheDir, 'bin');
    await mkdir(bin);
    for (const name of ['debootstrap', 'apt-get']) {
      await writeFile(join(bin, name), '#!/bin/sh\necho "E: Failed getting release file" >&2\nexit 1\n');
      await chmod(join(bin, name), 0o755);
    }
    vi.stubEnv('PATH', `${bin}:${process.env.PATH}`);
  });

  it('says why and leaves nothing that could be taken for an image', async () => {
    await expect(ensureImage({ suite: 'sid', cacheDir, log })).rejects.toMatchObject({
      code: 'no_image',
      message: expect.stringMatching(
        /cannot install Asterisk from Debian sid: .*Failed getting release file/,
      ),
    });
    expect(await readdir(cacheDir)).toEqual(['asterisk-sid-1.lock', 'bin']);
  });

  it('clears away what a killed build left', async () => {
    await mkdir(join(cacheDir, 'asterisk-sid-1.building-killed/usr'), { recursive: true });
    await expect(ensureImage({ suite: 'sid', cacheDir, log })).rejects.toThrow();
    expect(await readdir(cacheDir)).toEqual(['asterisk-sid-1.lock', 'bin']);
  });

  it('falls back to the older Asterisk with a note', async () => {
    const image = await placeImage('bullseye', '16.28.0');
    const found = await ensureAsterisk({ prefer: '22', cacheDir, log });
    expect(found.image).toEqual(image);
    expect(found.note).toMatch(
      /Asterisk 22 could not be installed from Debian sid .*; using 16\.28\.0 of bullseye/,
    );
  });
});
