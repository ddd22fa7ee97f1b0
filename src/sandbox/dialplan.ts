import { appendFileSync } from 'node:fs';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import type { AgiCall, AgiStatus } from './agi-session.js';
import { BY_DIALPLAN, type Channel } from './channel.js';

// dialplan/campanile.conf as a real Asterisk runs it, line for line where it matters. Whoever changes that file changes
// this one.

/** Holds a FastAGI session on a channel; never rejects. */
export type Agi = (channel: Channel, call: AgiCall) => Promise<AgiStatus>;

/** How the far end took a call. `sipStatus` is null when it never said anything. */
export interface Answer {
  answered: boolean;
  sipStatus: number | null;
  /** HANGUPCAUSE */
  cause: number;
  /** DIALSTATUS of the `Dial()` on a routed call. */
  dialStatus: string;
}

/** How a call went, as its hangup handler sees it. */
export interface Dialled extends Answer {
  /** CAMPANILE_FAR: the channel to the callee, the one that Dial() made on a routed call; '' when there is none. */
  farName: string;
  /** CHANNEL(hangupsource) */
  source: string;
}

/** As long as vm-goodbye. */
const FALLBACK_MS = 1_000;

/** [campanile-answered]: resolves when the call is hung up. */
export async function runAnswered(channel: Channel, agi: Agi): Promise<void> {
  channel.variables.set('CAMPANILE_ANSWERED', '1');
  const status = await agi(channel, agiCall(channel, 'answered', 'campanile-answered', []));
  if (status === 'FAILURE') await channel.wait(FALLBACK_MS);
  channel.hangUp(BY_DIALPLAN);
}

/** [campanile-hangup] and [campanile-report]: tells Campanile how the call went, if answered over FastAGI, or in a file. */
export async function runHangupHandler(
  channel: Channel,
  dialled: Dialled,
  agi: Agi,
  log: Logger,
): Promise<void> {
  const report = renderReport(channel, dialled);
  // Of a routed call the half reports that was not answered by our dialplan.
  if (channel.variables.get('CAMPANILE_ANSWERED') === '1' && dialled.dialStatus === '') {
    await agi(channel, agiCall(channel, 'hangup', 'campanile-report', [report], true));
  }
  if (channel.variables.get('CAMPANILE_HEARD') !== '1') leaveReport(channel, report, log);
}

function renderReport(channel: Channel, { sipStatus, cause, dialStatus, farName, source }: Dialled): string {
  const duration = channel.now() / 1000;
  const billed = channel.answeredAt === null ? 0 : duration - channel.answeredAt / 1000;
  const seconds = [duration.toFixed(6), billed.toFixed(6)];
  return [cause, sipStatus ?? '', dialStatus, farName, source, ...seconds].join('|');
}

/** `Set(FILE(...,,,al,u)=...)`: appends a line. Asterisk, too, only logs that it could not. */
function leaveReport(channel: Channel, report: string, log: Logger): void {
  const file = of(channel, 'CAMPANILE_REPORTS');
  try {
    appendFileSync(file, `${of(channel, 'CAMPANILE_CALL')}|hangup|${report}\n`);
  } catch (error) {
    log.warn({ err: error }, `cannot leave the report of a call in ${file}: ${messageOf(error)}`);
  }
}

function agiCall(
  channel: Channel,
  script: string,
  context: string,
  more: readonly string[],
  dead = false,
): AgiCall {
  const args = [of(channel, 'CAMPANILE_CALL'), of(channel, 'CAMPANILE_TOKEN'), ...more];
  return { url: of(channel, 'CAMPANILE_AGI'), script, args, context, dead };
}

function of(channel: Channel, variable: string): string {
  return channel.variables.get(variable) ?? '';
}
