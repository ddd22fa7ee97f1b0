import type { Channel } from './channel.js';

/** What the callee says until it listens: a person says hello, a machine its greeting and then beeps. */
export type Talk = 'person' | 'machine' | 'nothing';

/** When the greeting of a machine and its beep are over, milliseconds after the answer. */
const GREETING_MS = 6_000;

/** What AMD() would decide of each, and after how long. */
const VERDICTS: Readonly<Record<Talk, { status: string; cause: string; ms: number }>> = {
  person: { status: 'HUMAN', cause: 'HUMAN-800-800', ms: 1_500 },
  machine: { status: 'MACHINE', cause: 'LONGGREETING-1500-1500', ms: 1_900 },
  nothing: { status: 'NOTSURE', cause: 'TOOLONG-5000', ms: 5_000 },
};

/** AMD(): listens who has answered. Returns what an application does: -1 when the call has ended. */
export async function amd(channel: Channel): Promise<number> {
  const { status, cause, ms } = VERDICTS[channel.talk];
  const waited = await channel.wait(ms, '', { interruptible: false });
  const hungUp = waited.by === 'hangup';
  channel.variables.set('AMDSTATUS', hungUp ? 'HANGUP' : status);
  channel.variables.set('AMDCAUSE', hungUp ? '' : cause);
  return hungUp ? -1 : 0;
}

/** WaitForSilence(ms, times, limit in seconds): waits until a machine has been silent for so long. */
export async function waitForSilence(channel: Channel, data: string): Promise<number> {
  const [ms = 1_000, times = 1, limit = 0] = data.split(',').map(Number);
  const talks = channel.talk === 'machine' ? (channel.answeredAt ?? 0) + GREETING_MS - channel.now() : 0;
  const silentIn = Math.max(0, talks) + ms * times;
  const most = limit > 0 ? limit * 1_000 : silentIn;
  const waited = await channel.wait(Math.min(silentIn, most), '', { interruptible: false });
  const inTime = silentIn <= most ? 'SILENCE' : 'TIMEOUT';
  channel.variables.set('WAITSTATUS', waited.by === 'hangup' ? 'HANGUP' : inTime);
  return waited.by === 'hangup' ? -1 : 0;
}
