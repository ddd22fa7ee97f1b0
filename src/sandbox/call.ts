import type { Logger } from '../log.js';
import type { CallLog, SandboxCall } from './call-log.js';
import type { CallOrder } from './call-order.js';
import { causeOf, dialStatusOf } from './cause.js';
import { BY_DIALPLAN, Channel } from './channel.js';
import { type Agi, type Answer, type Dialled, runAnswered, runHangupHandler } from './dialplan.js';
import type { Manner } from './far-end.js';

/** What a call needs of the PBX that makes it. */
export interface Exchange {
  log: Logger;
  /** How many times as fast as real time pretended time runs. */
  speed: number;
  /** How the far end takes a call to this number. */
  mannerOf(number: string): Manner;
  /** Calls above this number at once are refused with 503, as a carrier does whose lines are all taken. */
  maxCalls: number;
  isKnownTrunk(trunk: string): boolean;
  seen: CallLog;
  /** The channels that are there now. */
  channels: Set<Channel>;
  agi: Agi;
}

const DOCTOR: Manner = { kind: 'answers', ringMs: 0, acts: [{ afterMs: 1_000, does: 'hangUp' }] };
/** What Asterisk 22 says of a call that rang until WaitTime: AST_CAUSE_NO_ANSWER. */
const NO_ANSWER = 19;
const NORMAL_CLEARING = 16;
const NO_CONTEXT: Answer = { answered: false, sipStatus: null, cause: 3, dialStatus: '' };
const REDIRECTED: Answer = { answered: false, sipStatus: null, cause: 0, dialStatus: 'CHANUNAVAIL' };

let channelNumber = 0;

/** Makes the call that a file orders. Resolves when it is over and reported: true when it was answered. */
export async function makeCall(order: CallOrder, exchange: Exchange): Promise<boolean> {
  const channel = openChannel(order, exchange);
  if (!channel) return false;
  exchange.channels.add(channel);
  const dialled = await dial(channel, order, exchange);
  if (pushesHandler(order)) await runHangupHandler(channel, dialled, exchange.agi, exchange.log);
  exchange.channels.delete(channel);
  return dialled.answered;
}

/** Null when the PBX has no such endpoint: then nothing of the call is ever heard but that it expired. */
function openChannel({ route, callerId, variables }: CallOrder, exchange: Exchange): Channel | null {
  if (route === null || (route.by === 'pjsip' && !exchange.isKnownTrunk(route.trunk))) return null;
  channelNumber += 1;
  const id = channelNumber.toString(16).padStart(8, '0');
  const trunk = route.by === 'doctor' ? '' : `PJSIP/${route.trunk}-${id}`;
  // The hangup handler of a routed call runs on the half that dials, ;2.
  const routed = route.by === 'dialplan' ? `Local/${route.number}@campanile-routed-${id};2` : '';
  const name = routed || trunk || `Local/s@campanile-doctor-${id};1`;
  return new Channel({ name, farName: trunk || name, callerId, variables, speed: exchange.speed });
}

function pushesHandler({ route, variables }: CallOrder): boolean {
  const pushed = variables.get('CHANNEL(hangup_handler_push)') ?? '';
  return route?.by === 'dialplan' || pushed.startsWith('campanile-hangup,');
}

/** Dials and, when answered, runs the call to its end. */
async function dial(channel: Channel, order: CallOrder, exchange: Exchange): Promise<Dialled> {
  const { route } = order;
  if (route?.by === 'dialplan' && !exchange.isKnownTrunk(route.trunk)) {
    channel.hangUp(BY_DIALPLAN);
    return { ...NO_CONTEXT, farName: '', source: BY_DIALPLAN };
  }
  const number = route && 'number' in route ? route.number : '';
  const manner = mannerOfCall(order, number, exchange);
  const seen = exchange.seen.begin(number, order.callerId.number);
  try {
    const answer = await ring(channel, order, manner, seen);
    if (answer.answered) await talk(channel, order, exchange);
    if (route?.by === 'dialplan') return seenByDial(answer, channel);
    const sipStatus = route?.by === 'doctor' ? null : answer.sipStatus;
    const { farName, hangupSource } = channel;
    return { ...answer, sipStatus, dialStatus: '', farName, source: hangupSource };
  } finally {
    exchange.seen.end(seen);
  }
}

/**
 * What the half of a routed call that dials knows of it, as test/pbx/every-kind.test.ts has seen it. A far end that
 * never answered has left nothing for HANGUPCAUSE_KEYS(), and nor has a redirect, which Dial() follows to nowhere. After
 * a refusal it is the admin's dialplan that hangs up, and when the other half does, there is no source.
 */
function seenByDial(answer: Answer, { farName, hangupSource }: Channel): Dialled {
  const { answered, sipStatus } = answer;
  if (sipStatus === null) return { ...answer, farName: '', source: '' };
  if (sipStatus >= 300 && sipStatus < 400) return { ...REDIRECTED, farName: '', source: BY_DIALPLAN };
  if (sipStatus >= 400) return { ...answer, farName, source: BY_DIALPLAN };
  return { ...answer, farName, source: answered && hangupSource === farName ? farName : '' };
}

function mannerOfCall({ route }: CallOrder, number: string, exchange: Exchange): Manner {
  if (exchange.seen.upNow >= exchange.maxCalls) return { kind: 'refuses', sipStatus: 503 };
  return route?.by === 'doctor' ? DOCTOR : exchange.mannerOf(number);
}

async function ring(channel: Channel, order: CallOrder, manner: Manner, seen: SandboxCall): Promise<Answer> {
  if (manner.kind === 'refuses') {
    const { sipStatus } = manner;
    const cause = causeOf(sipStatus);
    seen.finalStatus = sipStatus;
    channel.hangUp(channel.farName);
    return { answered: false, sipStatus, cause, dialStatus: dialStatusOf(cause) };
  }
  const waitMs = order.waitTime * 1000;
  const answers = manner.kind === 'answers' && manner.ringMs < waitMs;
  const waited = await channel.wait(answers ? manner.ringMs : waitMs);
  if (answers && waited.by === 'time') {
    seen.answeredAt = Date.now();
    seen.finalStatus = 200;
    channel.talk = manner.talk ?? 'person';
    channel.answer(manner.acts, manner.replies);
    return { answered: true, sipStatus: 200, cause: NORMAL_CLEARING, dialStatus: 'ANSWER' };
  }
  const sipStatus = manner.kind === 'rings' ? manner.sipStatus : 180;
  // A CANCEL is sent, and answered with 487, only after a provisional response.
  seen.finalStatus = sipStatus === null ? null : 487;
  channel.hangUp('');
  return { answered: false, sipStatus, cause: waited.by === 'time' ? NO_ANSWER : 0, dialStatus: 'CANCEL' };
}

async function talk(channel: Channel, { context }: CallOrder, exchange: Exchange): Promise<void> {
  if (context === 'campanile-answered') await runAnswered(channel, exchange.agi);
  else exchange.log.warn({ context }, 'a call was answered in a context that the sandbox does not have');
  channel.hangUp('');
}
