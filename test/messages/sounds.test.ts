import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { transaction } from '../../src/db/pool.js';
import { removeUnusedSound } from '../../src/db/sounds.js';
import { writeSoundFiles } from '../../src/messages/sound-files.js';
import { createSounds } from '../../src/messages/sounds.js';
import { toneWav } from '../../src/messages/tone.js';
import { insertTenantFixture, type TenantFixture } from '../support/campaigns.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

let database: TestDatabase;
let directory: string;
const encoded = { ulaw: Buffer.from('u'), alaw: Buffer.from('a'), g722: Buffer.from('g') };
const wav = toneWav(0.5);
const hash = (letter: string) => letter.repeat(64);
const ALL = ['alaw', 'g722', 'ulaw', 'wav'];

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'campanile-sounds-')), 'sounds');
  return () => rm(join(directory, '..'), { recursive: true });
});

const sounds = (isNeeded?: (sha256: string) => boolean) =>
  createSounds({ db: database.pool, directory, owner: null, ...(isNeeded ? { isNeeded } : {}) });
const insert = (letter: string, more: object = { encoded }): Promise<TenantFixture> =>
  insertTenantFixture(database.pool, { sha256: hash(letter), audio: wav, ...more });
const files = async () => (await readdir(directory)).sort();
const named = (letter: string, formats = ALL) => formats.map((format) => `${hash(letter)}.${format}`);

async function forget({ tenantId, messageId }: TenantFixture, letter: string): Promise<void> {
  await database.pool.query('DELETE FROM messages WHERE id = $1', [messageId]);
  await transaction(database.pool, (tx) => removeUnusedSound(tx, tenantId, hash(letter)));
}

describe('the sounds of a node', () => {
  it('are there in all formats, readable by everybody', async () => {
    const { tenantId } = await insert('a');
    await sounds().ensure(tenantId, hash('a'));
    expect(await files()).toEqual(named('a'));
    expect(await readFile(`${sounds().pathOf(hash('a'))}.wav`)).toEqual(wav);
    for (const format of ['ulaw', 'alaw', 'g722'] as const) {
      const file = `${sounds().pathOf(hash('a'))}.${format}`;
      expect(await readFile(file)).toEqual(encoded[format]);
      expect((await stat(file)).mode & 0o777).toBe(0o644);
    }
  });

  it('are fetched again when any of their files is gone', async () => {
    const { tenantId } = await insert('b');
    const node = sounds();
    for (const format of ['', ...ALL]) {
      if (format) await rm(join(directory, `${hash('b')}.${format}`));
      await node.ensure(tenantId, hash('b'));
      expect(await files()).toEqual(named('b'));
    }
  });

  it('are the WAV file alone where there is no more, and complete on a node that has only that', async () => {
    const { tenantId } = await insert('c', {});
    await sounds().ensure(tenantId, hash('c'));
    expect(await files()).toEqual(named('c', ['wav']));
    const other = await insert('d');
    await writeFile(join(directory, `${hash('d')}.wav`), wav);
    await sounds().ensure(other.tenantId, hash('d'));
    expect(await files()).toEqual([...named('c', ['wav']), ...named('d')]);
  });

  it('cannot be had of another tenant', async () => {
    await insert('e');
    const other = await insert('f');
    await expect(sounds().ensure(other.tenantId, hash('e'))).rejects.toThrow('is not in the database');
  });

  it('are swept, all files of them, when no tenant has them any more', async () => {
    const [one, two] = [await insert('1'), await insert('1')];
    const node = sounds();
    await node.ensure(one.tenantId, hash('1'));
    await writeFile(join(directory, 'notes.txt'), 'of the admin');
    await forget(one, '1');
    expect(await node.sweep()).toBe(0);
    expect(await files()).toEqual([...named('1'), 'notes.txt']);
    await forget(two, '1');
    expect(await node.sweep()).toBe(1);
    expect(await files()).toEqual(['notes.txt']);
    await expect(node.ensure(one.tenantId, hash('1'))).rejects.toThrow('is not in the database');
  });

  it('are swept where the WAV file is gone and others are left', async () => {
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, `${hash('9')}.g722`), 'g');
    expect(await sounds().sweep()).toBe(1);
    expect(await files()).toEqual([]);
  });

  it('stay while an open call may play them', async () => {
    const tenant = await insert('2');
    const playing = new Set([hash('2')]);
    const node = sounds((sha256) => playing.has(sha256));
    await node.ensure(tenant.tenantId, hash('2'));
    await forget(tenant, '2');
    expect(await node.sweep()).toBe(0);
    expect(await files()).toEqual(named('2'));
    playing.clear();
    expect(await node.sweep()).toBe(1);
    expect(await files()).toEqual([]);
  });
});

describe('the files of a sound', () => {
  it('are never there in part: the WAV file, last of all, means that the others are there', async () => {
    // Nothing can be renamed over a directory: it breaks off there.
    await mkdir(join(directory, 'it.g722', 'in-the-way'), { recursive: true });
    await expect(writeSoundFiles(directory, 'it', { wav, ...encoded }, null)).rejects.toThrow();
    const left = await readdir(directory);
    expect(left).not.toContain('it.wav');
    expect(left.filter((name) => /^it\.[au]law$/.test(name))).toHaveLength(2);
  });

  it('replace what lies there under their names, whatever its mode', async () => {
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'it.wav'), 'old');
    await chmod(join(directory, 'it.wav'), 0o000);
    await writeSoundFiles(directory, 'it', { wav, ulaw: null, alaw: null, g722: null }, null);
    expect(await readdir(directory)).toEqual(['it.wav']);
    expect((await stat(join(directory, 'it.wav'))).mode & 0o777).toBe(0o644);
  });

  it.skipIf(process.getuid?.() !== 0)(
    'are given to their owner, with the directory that was made',
    async () => {
      await writeSoundFiles(directory, 'it', { wav, ...encoded }, { uid: 1234, gid: 4321 });
      for (const name of ['', 'it.wav', 'it.ulaw', 'it.alaw', 'it.g722'])
        expect(await stat(join(directory, name))).toMatchObject({ uid: 1234, gid: 4321 });
    },
  );
});
