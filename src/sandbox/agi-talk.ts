import { writeFileSync } from 'node:fs';
import { toneWav } from '../messages/tone.js';
import type { Channel } from './channel.js';

/** How long the callee speaks when something is recorded, and then falls silent. */
const SPEAKS_MS = 3_000;
/** After what time somebody takes a call that is passed on, and how long the two talk. */
const TAKEN_MS = 2_000;
const TALK_MS = 10_000;

/**
 * RECORD FILE: of whoever speaks there is a tone, as long as he was there. Returns the reply of handle_recordfile() in res_agi.c,
 * and whether the call ended meanwhile.
 */
export async function recordFile(
  channel: Channel,
  [name, , , limit]: readonly string[],
): Promise<{ text: string; hungUp: boolean }> {
  const most = Number.parseInt(limit ?? '', 10);
  const began = channel.now();
  const ms = most > 0 ? Math.min(most, SPEAKS_MS) : SPEAKS_MS;
  const waited = await channel.wait(ms, '', { interruptible: false });
  const seconds = (waited.by === 'time' ? ms : channel.now() - began) / 1000;
  writeFileSync(`${name}.wav`, toneWav(seconds));
  const hungUp = waited.by === 'hangup';
  const endpos = Math.round(seconds * 8000);
  return { text: `200 result=${hungUp ? '-1 (hangup)' : '0 (timeout)'} endpos=${endpos}`, hungUp };
}

/** Dial() and Queue(): somebody always takes it. Returns what an application does: -1 when the call has ended. */
export async function connect(channel: Channel, application: 'dial' | 'queue'): Promise<number> {
  const { variables } = channel;
  const rung = await channel.wait(TAKEN_MS, '', { interruptible: false });
  if (rung.by === 'hangup') {
    variables.set(
      application === 'dial' ? 'DIALSTATUS' : 'ABANDONED',
      application === 'dial' ? 'CANCEL' : 'TRUE',
    );
    return -1;
  }
  const began = channel.now();
  const talked = await channel.wait(TALK_MS, '', { interruptible: false });
  if (application === 'queue') variables.set('QUEUESTATUS', 'CONTINUE');
  else {
    variables.set('DIALSTATUS', 'ANSWER');
    variables.set('ANSWEREDTIME', String(Math.round((channel.now() - began) / 1000)));
  }
  return talked.by === 'hangup' ? -1 : 0;
}
