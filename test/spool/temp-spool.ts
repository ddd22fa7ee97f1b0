import { appendFileSync, utimesSync } from 'node:fs';
import { appendFile, chmod, mkdir, mkdtemp, readdir, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { newId } from '../../src/ids.js';
import { openSpool, type Spool, type SpoolOptions } from '../../src/spool/directories.js';
import { fileNameOf } from '../../src/spool/name.js';
import type { TemplateValues } from '../../src/spool/template.js';

export const silent = pino({ level: 'silent' });

const DAY = 86_400;
export const RETRY_TIME = 10 * DAY;

export interface TempSpool {
  spool: Spool;
  root: string;
  run: string;
  remove(): Promise<void>;
}

/** A spool in a directory of its own, as a fresh install of Asterisk leaves it. */
export async function makeRoot(): Promise<{ root: string; run: string; remove(): Promise<void> }> {
  const base = await mkdtemp(join(tmpdir(), 'campanile-spool-'));
  await chmod(base, 0o755);
  const root = join(base, 'spool');
  const run = join(base, 'run');
  await mkdir(join(root, 'outgoing'), { recursive: true });
  await mkdir(run);
  return { root, run, remove: () => rm(base, { recursive: true, force: true }) };
}

export async function makeSpool(options: Partial<SpoolOptions> = {}): Promise<TempSpool> {
  const { root, run, remove } = await makeRoot();
  const spool = await openSpool({ spool: root, owner: null, mode: 0o660, asteriskRun: run, ...options });
  return { spool, root, run, remove };
}

export function newCall(): { callId: string; name: string } {
  const callId = `${newId()}.${newId()}`;
  return { callId, name: fileNameOf(callId) };
}

/** What a template is filled with. */
export const TEMPLATE_VALUES: TemplateValues = {
  number: '+15551234567',
  trunk: 'carrier_1',
  callerId: '+15550001111',
  ringSeconds: 30,
  call: newCall().callId,
  token: 'abcdefghijklmnop-_',
  agi: 'agi://127.0.0.1:4573',
  reports: '/var/spool/asterisk/campanile/reports/1795300474000.reports',
};

export const CONTENT = [
  'Channel: PJSIP/+15551234567@carrier',
  'MaxRetries: 0',
  `RetryTime: ${RETRY_TIME}`,
  'Archive: yes',
  'Context: campanile-answered',
  'Extension: s',
  '',
].join('\n');

// What Asterisk does, step by step, so that a test can come in between any two.

/** It appends to the name, which it may thereby make, and sets the time two RetryTimes ahead. Nothing comes between. */
export function begin(directory: string, name: string, at = new Date(), pid = 1): void {
  const path = join(directory, name);
  const printed = Math.floor(at.getTime() / 1000) + RETRY_TIME;
  appendFileSync(path, `\nStartRetry: ${pid} 1 (${printed})\n`);
  utimesSync(path, new Date(), new Date((printed + RETRY_TIME) * 1000));
}

export async function archive(spool: Spool, name: string): Promise<void> {
  await rename(join(spool.outgoing, name), join(spool.done, name));
}

export async function appendStatus(spool: Spool, name: string, status = 'Completed'): Promise<void> {
  await appendFile(join(spool.done, name), `Status: ${status}\n`);
}

/** A file that is over, as it lies in outgoing_done/. */
export async function archived(
  spool: Spool,
  name: string,
  status: string | null = 'Completed',
): Promise<void> {
  await writeFile(join(spool.outgoing, name), CONTENT);
  begin(spool.outgoing, name);
  await archive(spool, name);
  if (status !== null) await appendStatus(spool, name, status);
}

/** Starts Asterisk, as far as its run directory tells. */
export async function startAsterisk(run: string, at: Date): Promise<void> {
  for (const name of ['asterisk.pid', 'asterisk.ctl']) {
    await writeFile(join(run, name), '1\n');
    await utimes(join(run, name), at, at);
  }
}

export function ago(seconds: number): Date {
  return new Date(Date.now() - seconds * 1000);
}

/** Resolves when `condition` holds; it is asked again each few milliseconds. The test's own time-out ends it. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 3));
}

export async function list(directory: string): Promise<string[]> {
  return (await readdir(directory)).toSorted();
}
