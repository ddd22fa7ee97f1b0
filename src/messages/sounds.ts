import { constants } from 'node:fs';
import { access, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Db } from '../db/pool.js';
import { findSoundFiles, findSoundIsEncoded, listUnusedSounds } from '../db/sounds.js';
import { CampanileError } from '../errors.js';
import { SOUND_FORMATS, writeSoundFiles } from './sound-files.js';

/** The audio of campaigns as files that Asterisk plays, named by the hash of what is in them. */
export interface Sounds {
  /** The path of a sound without its extension, as Asterisk takes it. The files need not be there. */
  pathOf(sha256: string): string;
  /** Makes sure that all files of a sound are on this node. Throws a CampanileError when it is not to be had. */
  ensure(tenantId: string, sha256: string): Promise<void>;
  /** Removes the sounds that are nobody's any more; returns how many. */
  sweep(): Promise<number>;
}

export interface SoundsOptions {
  /** Where they come from. */
  db: Db;
  directory: string;
  owner: { uid: number; gid: number } | null;
  /** Whether a call of this node may still play it, though its message is gone. */
  isNeeded?(sha256: string): boolean;
}

const SOUND_FILE = new RegExp(`^([0-9a-f]{64})\\.(?:${SOUND_FORMATS.join('|')})$`);

export function createSounds({ db, directory, owner, isNeeded = () => false }: SoundsOptions): Sounds {
  const underWay = new Map<string, Promise<void>>();
  const removing = new Map<string, Promise<boolean>>();
  /** Which are to be there as WAV alone, and which in all formats: it never changes while somebody has them. */
  const encoded = new Map<string, boolean>();

  async function fetchSound(tenantId: string, sha256: string): Promise<void> {
    const isEncoded = encoded.get(sha256) ?? (await findSoundIsEncoded(db, tenantId, sha256));
    if (isEncoded === null) throw missing(sha256);
    encoded.set(sha256, isEncoded);
    // Looked for each time: somebody may have tidied up.
    const wanted = isEncoded ? SOUND_FORMATS : (['wav'] as const);
    const there = await Promise.all(wanted.map((format) => isThere(join(directory, `${sha256}.${format}`))));
    if (there.every(Boolean)) return;
    const files = await findSoundFiles(db, tenantId, sha256);
    if (!files) throw missing(sha256);
    await writeSoundFiles(directory, sha256, files, owner);
  }

  /**
   * Whoever needs the sound meanwhile waits and fetches it anew; and who had it before has a message, which the query then
   * finds.
   */
  async function remove(sha256: string): Promise<boolean> {
    if (underWay.has(sha256) || isNeeded(sha256)) return false;
    const [unused] = await listUnusedSounds(db, [sha256]);
    if (!unused) return false;
    encoded.delete(sha256);
    for (const format of SOUND_FORMATS) await rm(join(directory, `${sha256}.${format}`), { force: true });
    return true;
  }

  return {
    pathOf: (sha256) => join(directory, sha256),
    ensure(tenantId, sha256) {
      let sound = underWay.get(sha256);
      if (!sound) {
        const fetch = () => fetchSound(tenantId, sha256);
        const removal = removing.get(sha256);
        sound = (removal ? removal.then(fetch, fetch) : fetch()).finally(() => underWay.delete(sha256));
        underWay.set(sha256, sound);
      }
      return sound;
    },
    async sweep() {
      const names = await readdir(directory).catch(() => []);
      const kept = new Set(names.flatMap((name) => SOUND_FILE.exec(name)?.[1] ?? []));
      let removed = 0;
      for (const sha256 of await listUnusedSounds(db, [...kept])) {
        const removal = remove(sha256).finally(() => removing.delete(sha256));
        removing.set(sha256, removal);
        if (await removal) removed += 1;
      }
      return removed;
    },
  };
}

function isThere(path: string): Promise<boolean> {
  return access(path, constants.R_OK).then(
    () => true,
    () => false,
  );
}

function missing(sha256: string): CampanileError {
  return new CampanileError('message_missing', `the sound ${sha256} is not in the database`);
}
