import type { StepOf } from '../../calls/flow/schema.js';
import type { DestinationKind, TransferEnd, TransferTold } from '../../calls/flow/transfer.js';
import { FlowOver, type Transferred } from '../../calls/flow/way.js';
import { AgiCommandError, HangupError } from '../errors.js';
import type { AgiSession } from '../session.js';

/** A way to a destination that has a port free, which is taken. */
export interface TransferWay {
  /** The transfer's. */
  id: string;
  kind: DestinationKind;
  /** What Dial() takes, or the queue's name: checked, and nothing of it a tenant's free text. */
  target: string;
  /** What the destination is shown; null: what the call itself shows. */
  callerId: string | null;
  /** Of a trunk whose calls go through the admin's dialplan: the context there. */
  route: string | null;
}

/** The destinations of a call's flow. */
export interface Transfers {
  /** Takes a port for the step of that name. */
  begin(step: string, destinationId: string): Promise<TransferWay | 'full' | 'failed'>;
  /** Frees it, and writes down how the transfer ended. */
  end(told: TransferTold): Promise<TransferEnd>;
  /** What FastAGI `/transferred` tells of a transfer in which the call ended; null when that does not come. */
  whenTold(id: string): Promise<TransferEnd | null>;
}

/** No talk lasts longer; what Asterisk does is not broken off by it. */
const LONGEST_MS = 24 * 3600 * 1000;

/** Pushed for the time of a transfer: [campanile-transferred] of dialplan/campanile.conf. */
const HANDLER = 'campanile-transferred,s,1';

/**
 * Passes the call on, and resolves when the two have talked or nobody there took it. Dial() and Queue() run in Asterisk: the talk
 * goes on when this process ends, and the hangup handler tells how it ended.
 */
export async function transfer(
  session: AgiSession,
  step: StepOf<'transfer'>,
  name: string,
  transfers: Transfers,
): Promise<Transferred> {
  const way = await transfers.begin(name, step.destination);
  if (typeof way === 'string') return { outcome: way, talkedSeconds: null, hungUp: false };
  try {
    return { ...(await transfers.end(await connect(session, way, step.ring_seconds))), hungUp: false };
  } catch (error) {
    if (!(error instanceof HangupError)) throw error;
    const end = await transfers.whenTold(way.id);
    if (!end) throw new FlowOver();
    return { ...end, hungUp: true };
  }
}

/** A PBX without app_queue, for example: the destination cannot be reached. */
function hasNoSuchApplication(error: unknown): false {
  if (error instanceof AgiCommandError) return false;
  throw error;
}
const NOT_RUN = 'CHANUNAVAIL';

/** With Dial() the CDR of a call begins anew: what its hangup handler tells of it is kept from before the first. */
async function keepTimes(session: AgiSession): Promise<void> {
  if (await session.getVariable('CAMPANILE_SINCE')) return;
  const times = ['STRFTIME(,,%s.%3q)', 'CDR(duration,f)', 'CDR(billsec,f)'];
  const told = await Promise.all(times.map((name) => session.getVariable(name)));
  const [now, duration, talked] = told.map(Number) as [number, number, number];
  await session.setVariable('CAMPANILE_RANG', Math.max(0, duration - talked).toFixed(3));
  await session.setVariable('CAMPANILE_SINCE', (now - talked).toFixed(3));
}

async function connect(session: AgiSession, way: TransferWay, ringSeconds: number): Promise<TransferTold> {
  const { id, kind, target, callerId, route } = way;
  const [application, data] =
    kind === 'queue' ? ['Queue', `${target},cr,,,${ringSeconds}`] : ['Dial', `${target},${ringSeconds},gr`];
  await keepTimes(session);
  // Handed on to the channels that it makes: they are no call of their own to [campanile-routed].
  await session.setVariable('__CAMPANILE_TRANSFER', `${id}|${kind}`);
  if (route !== null) await session.setVariable('__CAMPANILE_ROUTE', route);
  if (callerId !== null) await session.setVariable('CALLERID(num)', callerId);
  await session.setVariable('CHANNEL(hangup_handler_push)', HANDLER);
  const ran = await session
    .exec(application!, data, { timeoutMs: LONGEST_MS })
    .then(() => true, hasNoSuchApplication);
  const status = ran ? await session.getVariable(kind === 'queue' ? 'QUEUESTATUS' : 'DIALSTATUS') : NOT_RUN;
  const abandoned = await session.getVariable('ABANDONED');
  const answeredSeconds = await session.getVariable('ANSWEREDTIME');
  await session.setVariable('CHANNEL(hangup_handler_pop)', '');
  // What is left there would be told of the call itself, or of the next transfer.
  for (const variable of ['__CAMPANILE_TRANSFER', 'DIALSTATUS', 'QUEUESTATUS', 'ABANDONED', 'ANSWEREDTIME'])
    await session.setVariable(variable, '');
  return { id, kind, status, abandoned, answeredSeconds };
}
