import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AgiCommandError } from '../agi/errors.js';
import type { AgiScript } from '../agi/server.js';
import { messageOf } from '../errors.js';
import { toneWav } from '../messages/tone.js';
import { parseCallFile, renderCallFile } from '../spool/call-file.js';
import type { Spool } from '../spool/directories.js';
import { type Evidence, type FileTrace, nothingHeard } from './evidence.js';

/** One call of the doctor to itself: what FastAGI hears of it, and what becomes of its file. */
export interface TestCall {
  scripts: Readonly<Record<string, AgiScript>>;
  /** Places the call and resolves when all of it was seen, or not in time. Throws when the file cannot be written. */
  run(url: string): Promise<Evidence>;
  /** Removes every file of it. */
  clean(): Promise<void>;
}

const ANSWER_MS = 5_000;
const END_MS = 5_000;
const LOOK_MS = 20;
const SOUND_SECONDS = 0.2;

/**
 * A call through the whole line: a call file to a Local channel of our dialplan, which comes back through FastAGI. Its
 * file's name is none that an attempt could have, so a running `campanile serve` leaves it alone.
 */
export function createTestCall(spool: Spool, soundsDir: string): TestCall {
  const id = `campanile-doctor-${randomBytes(8).toString('hex')}`;
  const token = randomBytes(16).toString('hex');
  const file = `${id}.call`;
  const sound = join(soundsDir, id);
  const heard = nothingHeard();
  let placedAt = 0;

  const ours: (script: AgiScript) => AgiScript = (script) => async (session) => {
    const [call, given] = session.request.args;
    if (call === id && given === token) await script(session);
  };

  const answered = ours(async (session) => {
    heard.answeredAfterMs = performance.now() - placedAt;
    if (heard.writeError !== null) return;
    await session.play(sound).then(
      () => {
        heard.played = true;
      },
      (error: unknown) => {
        heard.playError =
          error instanceof AgiCommandError ? 'Asterisk cannot play the file' : messageOf(error);
      },
    );
  });
  const hangup = ours(async (session) => {
    heard.hangup = true;
    await session.setVariable('CAMPANILE_HEARD', '1');
  });

  async function place(url: string): Promise<void> {
    await writeSound(soundsDir, sound, spool).catch((error: unknown) => {
      heard.writeError = messageOf(error);
    });
    const staged = join(spool.staging, file);
    await writeFile(staged, render(id, token, url, spool), { flag: 'wx', mode: spool.mode });
    await chmod(staged, spool.mode);
    if (spool.owner) await chown(staged, spool.owner.uid, spool.owner.gid);
    placedAt = performance.now();
    await rename(staged, join(spool.outgoing, file));
  }

  return {
    scripts: { answered, hangup },
    async run(url) {
      await place(url);
      // An archived file is over: whoever was to hear of it has heard.
      const isOver = async () => (await trace(spool, file)).status !== null;
      await waitFor(async () => heard.answeredAfterMs !== null || (await isOver()), ANSWER_MS);
      if (heard.answeredAfterMs !== null) {
        await waitFor(async () => heard.hangup && (await isOver()), END_MS);
      }
      return { ...heard, file: await trace(spool, file) };
    },
    async clean() {
      const places = [spool.staging, spool.outgoing, spool.done].map((directory) => join(directory, file));
      const all = [...places, reportsOf(spool, id), `${sound}.wav`];
      for (const path of all) await rm(path, { force: true });
    },
  };
}

function render(id: string, token: string, url: string, spool: Spool): string {
  return renderCallFile([
    { key: 'Channel', value: 'Local/s@campanile-doctor/n' },
    { key: 'WaitTime', value: '5' },
    { key: 'MaxRetries', value: '0' },
    { key: 'RetryTime', value: '864000' },
    { key: 'Archive', value: 'yes' },
    { key: 'Context', value: 'campanile-answered' },
    { key: 'Extension', value: 's' },
    { key: 'Priority', value: '1' },
    { key: 'Set', value: `__CAMPANILE_CALL=${id}` },
    { key: 'Set', value: `__CAMPANILE_TOKEN=${token}` },
    { key: 'Set', value: `__CAMPANILE_AGI=${url}` },
    { key: 'Set', value: `__CAMPANILE_REPORTS=${reportsOf(spool, id)}` },
    { key: 'Set', value: 'CHANNEL(hangup_handler_push)=campanile-hangup,s,1' },
  ]);
}

/** A file of its own that the hangup handler may report in: nobody else reads or removes it. */
function reportsOf(spool: Spool, id: string): string {
  return join(spool.reports, id);
}

/** As a campaign's message would be laid down: src/messages/sounds.ts. */
async function writeSound(directory: string, sound: string, { owner }: Spool): Promise<void> {
  const made = await mkdir(directory, { recursive: true, mode: 0o755 });
  // Made by root, it must not be closed to a "campanile serve" that runs as Asterisk's user.
  if (made && owner) await chown(directory, owner.uid, owner.gid);
  const path = `${sound}.wav`;
  await writeFile(path, toneWav(SOUND_SECONDS), { mode: 0o644 });
  await chmod(path, 0o644);
  if (owner) await chown(path, owner.uid, owner.gid);
}

/** Where the call's file is, and what Asterisk wrote into it. */
async function trace(spool: Spool, name: string): Promise<FileTrace> {
  for (const [where, directory] of [
    ['outgoing', spool.outgoing],
    ['archive', spool.done],
  ] as const) {
    const text = await readFile(join(directory, name), 'utf8').catch(() => null);
    if (text === null) continue;
    const { diary, status } = parseCallFile(text);
    return { where, begun: diary.some(({ key }) => key === 'StartRetry'), status };
  }
  return { where: 'nowhere', begun: false, status: null };
}

async function waitFor(condition: () => boolean | Promise<boolean>, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition()) && performance.now() < deadline) await delay(LOOK_MS);
}
