import { chmod, chown, mkdir, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { SoundFiles } from '../db/sounds.js';

/**
 * The extensions, by which Asterisk knows the formats; of those that lie there it opens the one that costs it least for the
 * codec of the call. The WAV file, without which a sound is not there, comes last.
 */
export const SOUND_FORMATS = ['ulaw', 'alaw', 'g722', 'wav'] as const;

export type { SoundFiles };

export type SoundFormat = (typeof SOUND_FORMATS)[number];

/**
 * Writes the files of a sound as `name`.wav and so on into `directory`, which is made when missing, readable by everybody and
 * given to `owner` if there is one. Each is there whole or not at all, whatever breaks off; the WAV file comes after the others.
 */
export async function writeSoundFiles(
  directory: string,
  name: string,
  files: SoundFiles,
  owner: { uid: number; gid: number } | null,
): Promise<void> {
  const made = await mkdir(directory, { recursive: true, mode: 0o755 });
  // Made by root, it must not lock out a later start as the spool's owner.
  if (made && owner) await chown(directory, owner.uid, owner.gid);
  for (const format of SOUND_FORMATS) {
    const content = files[format];
    if (content) await writeWhole(directory, `${name}.${format}`, content, owner);
  }
}

async function writeWhole(
  directory: string,
  name: string,
  content: Buffer,
  owner: { uid: number; gid: number } | null,
): Promise<void> {
  // Under another name first: Asterisk must never find half a file.
  const draft = join(directory, `.${process.pid}.${name}`);
  const handle = await open(draft, 'w', 0o644);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await chmod(draft, 0o644);
  if (owner) await chown(draft, owner.uid, owner.gid);
  await rename(draft, join(directory, name));
}
