import { createHash } from 'node:crypto';
import { readdirSync, rmdirSync, statSync, unlinkSync, utimesSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SpokenText } from '../../calls/flow/spoken.js';

/** A sound that Asterisk can play. */
export interface SpokenSound {
  /** Without the extension, as Asterisk takes it. */
  path: string;
  seconds: number;
}

/** A name that is the same for what sounds the same; `identity` is the engine's. */
export function hashOf({ text, language, voice }: SpokenText, identity: string): string {
  return createHash('sha256')
    .update(JSON.stringify([identity, language, voice, text]))
    .digest('hex');
}

/**
 * The sound of these files if it is there, and not to be swept for as long as sounds are kept; null if it is not. It does not
 * wait, so that no sweep can come in between.
 */
export function touch(path: string): SpokenSound | null {
  const now = new Date();
  try {
    utimesSync(`${path}.wav`, now, now);
    // 16 bits of 8 kHz behind 44 bytes.
    return { path, seconds: (statSync(`${path}.wav`).size - 44) / 16_000 };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

const NAME = /^(?:\.\d+\.)?([0-9a-f]{64})\.[0-9a-z]+$/;
const TENANT = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Removes the sounds below `directory` that nobody has touched for `keepSeconds`; returns how many. */
export function sweepUnused(directory: string, keepSeconds: number): number {
  const latest = Date.now() - keepSeconds * 1000;
  let removed = 0;
  for (const tenant of list(directory).filter((name) => TENANT.test(name))) {
    const folder = join(directory, tenant);
    const sounds = new Map<string, string[]>();
    for (const name of list(folder)) {
      const hash = NAME.exec(name)?.[1];
      if (hash !== undefined) sounds.set(hash, [...(sounds.get(hash) ?? []), join(folder, name)]);
    }
    for (const files of sounds.values()) {
      if (Math.max(...files.map(modifiedMs)) > latest) continue;
      for (const file of files) unlinkSync(file);
      removed += 1;
    }
    // Somebody may be about to write into one that was made just now.
    if (modifiedMs(folder) <= latest && list(folder).length === 0) rmdirSync(folder);
  }
  return removed;
}

/** Removes all that was spoken for a tenant. */
export async function removeSpoken(directory: string, tenantId: string): Promise<void> {
  if (TENANT.test(tenantId)) await rm(join(directory, tenantId), { recursive: true, force: true });
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function modifiedMs(file: string): number {
  return statSync(file).mtimeMs;
}
