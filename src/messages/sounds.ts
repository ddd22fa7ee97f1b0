import { constants } from 'node:fs';
import { access, chmod, chown, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { findMessageAudio, listUnusedAudio } from '../db/messages.js';
import type { Db } from '../db/pool.js';
import { CampanileError } from '../errors.js';

/** The audio of campaigns as files that Asterisk plays, named by the hash of what is in them. */
export interface Sounds {
  /** The path of a message's sound without its extension, as Asterisk takes it. The file need not be there. */
  pathOf(sha256: string): string;
  /** Makes sure a message's sound is on this node. Throws a CampanileError when it is not to be had. */
  ensure(tenantId: string, messageId: string, sha256: string): Promise<void>;
  /** Removes the sounds that are no message's any more; returns how many. */
  sweep(): Promise<number>;
}

/** Keeps sounds in `directory`, given to `owner` if there is one; `db` is where they come from. */
export function createSounds(db: Db, directory: string, owner: { uid: number; gid: number } | null): Sounds {
  const underWay = new Map<string, Promise<void>>();
  const removing = new Map<string, Promise<boolean>>();

  async function fetchSound(tenantId: string, messageId: string, sha256: string): Promise<void> {
    const file = join(directory, `${sha256}.wav`);
    const there = await access(file, constants.R_OK).then(
      () => true,
      () => false,
    );
    if (there) return;
    const audio = await findMessageAudio(db, tenantId, messageId);
    if (!audio)
      throw new CampanileError('message_missing', `message ${messageId} has no audio in the database`);
    const made = await mkdir(directory, { recursive: true, mode: 0o755 });
    // Made by root, it must not lock out a later start as the spool's owner.
    if (made && owner) await chown(directory, owner.uid, owner.gid);
    // Under another name first: Asterisk must never find half a file.
    const draft = join(directory, `.${sha256}.${process.pid}.wav`);
    const handle = await open(draft, 'w', 0o644);
    try {
      await handle.writeFile(audio);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await chmod(draft, 0o644);
    if (owner) await chown(draft, owner.uid, owner.gid);
    await rename(draft, file);
  }

  /**
   * Whoever needs the sound meanwhile waits and fetches it anew; and who had it before has a message, which the query then
   * finds.
   */
  async function remove(sha256: string): Promise<boolean> {
    if (underWay.has(sha256)) return false;
    const [unused] = await listUnusedAudio(db, [sha256]);
    if (unused) await rm(join(directory, `${sha256}.wav`), { force: true });
    return unused !== undefined;
  }

  return {
    pathOf: (sha256) => join(directory, sha256),
    ensure(tenantId, messageId, sha256) {
      // Looked for each time: somebody may have tidied up.
      let sound = underWay.get(sha256);
      if (!sound) {
        const fetch = () => fetchSound(tenantId, messageId, sha256);
        const removal = removing.get(sha256);
        sound = (removal ? removal.then(fetch, fetch) : fetch()).finally(() => underWay.delete(sha256));
        underWay.set(sha256, sound);
      }
      return sound;
    },
    async sweep() {
      const names = await readdir(directory).catch(() => []);
      const kept = names.flatMap((name) => /^([0-9a-f]{64})\.wav$/.exec(name)?.[1] ?? []);
      let removed = 0;
      for (const sha256 of await listUnusedAudio(db, kept)) {
        const removal = remove(sha256).finally(() => removing.delete(sha256));
        removing.set(sha256, removal);
        if (await removal) removed += 1;
      }
      return removed;
    },
  };
}
