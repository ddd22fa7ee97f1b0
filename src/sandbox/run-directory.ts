import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const NAMES = ['asterisk.pid', 'asterisk.ctl'];

/** Makes the files anew whose time tells when the PBX started. */
export function announceStart(directory: string, pid: number): void {
  mkdirSync(directory, { recursive: true });
  announceEnd(directory);
  for (const name of NAMES) writeFileSync(join(directory, name), name.endsWith('.pid') ? `${pid}\n` : '');
}

/** Removes them, as an orderly end does. */
export function announceEnd(directory: string): void {
  for (const name of NAMES) rmSync(join(directory, name), { force: true });
}
