/** A number over a trunk, or an extension or a queue of the PBX. */
export const DESTINATION_KINDS = ['number', 'extension', 'queue'] as const;
export type DestinationKind = (typeof DESTINATION_KINDS)[number];

/** What a queue or an extension may be called: nothing that a dialplan reads as its own. */
export const PBX_NAME = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * What became of a transfer. `full`: the destination had no free port; `abandoned`: the callee hung up before it was taken;
 * `unknown`: the call ended and nobody told.
 */
export const TRANSFER_OUTCOMES = [
  'connected',
  'busy',
  'no_answer',
  'failed',
  'full',
  'abandoned',
  'unknown',
] as const;
export type TransferOutcome = (typeof TRANSFER_OUTCOMES)[number];

/** What the PBX tells when a transfer is over. */
export interface TransferEnd {
  outcome: Exclude<TransferOutcome, 'full' | 'unknown'>;
  /** Null where the PBX does not tell: of a queue, and of what was not connected. */
  talkedSeconds: number | null;
}

// app_dial.c.
const BY_DIAL_STATUS: Readonly<Record<string, TransferEnd['outcome']>> = {
  ANSWER: 'connected',
  BUSY: 'busy',
  NOANSWER: 'no_answer',
  CANCEL: 'abandoned',
  CHANUNAVAIL: 'failed',
  CONGESTION: 'failed',
};

// app_queue.c. CONTINUE: an agent hung up after he had talked.
const BY_QUEUE_STATUS: Readonly<Record<string, TransferEnd['outcome']>> = {
  CONTINUE: 'connected',
  TIMEOUT: 'no_answer',
  FULL: 'busy',
  JOINEMPTY: 'no_answer',
  LEAVEEMPTY: 'no_answer',
  JOINUNAVAIL: 'no_answer',
  LEAVEUNAVAIL: 'no_answer',
  WITHDRAW: 'no_answer',
};

/** What Dial() or Queue() left in the channel's variables. */
export interface TransferTold {
  /** The transfer's. */
  id: string;
  kind: DestinationKind;
  /** DIALSTATUS or QUEUESTATUS. */
  status: string | null;
  /** ABANDONED, of a queue. */
  abandoned: string | null;
  /** ANSWEREDTIME, not of a queue. */
  answeredSeconds: string | null;
}

/**
 * How a transfer ended. Queue() leaves no status when the callee hangs up; ABANDONED tells whether that was before an agent had
 * him.
 */
export function transferEnd(told: TransferTold): TransferEnd {
  const status = told.status ?? '';
  if (told.kind === 'queue') {
    const left = told.abandoned === 'TRUE' ? 'abandoned' : 'connected';
    const outcome = status === '' ? left : outcomeOf(BY_QUEUE_STATUS, status);
    return { outcome, talkedSeconds: null };
  }
  const outcome = outcomeOf(BY_DIAL_STATUS, status);
  const seconds = /^\d{1,9}$/.test(told.answeredSeconds ?? '') ? Number(told.answeredSeconds) : null;
  return { outcome, talkedSeconds: outcome === 'connected' ? seconds : null };
}

const outcomeOf = (known: Readonly<Record<string, TransferEnd['outcome']>>, status: string) =>
  Object.hasOwn(known, status) ? known[status]! : 'failed';

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Reads what [campanile-transferred] of `dialplan/campanile.conf` passes, in its order: the id, the kind, DIALSTATUS, QUEUESTATUS,
 * ABANDONED, ANSWEREDTIME. Null where there is no transfer in it.
 */
export function parseTransfer(values: readonly (string | undefined)[]): TransferTold | null {
  const [id, kind, dialStatus = null, queueStatus = null, abandoned = null, answeredSeconds = null] = values;
  const known = DESTINATION_KINDS.find((one) => one === kind);
  if (id === undefined || !UUID.test(id) || !known) return null;
  return {
    id,
    kind: known,
    status: known === 'queue' ? queueStatus : dialStatus,
    abandoned,
    answeredSeconds,
  };
}

/**
 * What counts as an abandoned call, after 16 CFR 310.4(b)(1)(iv): a person answered and was not connected to anybody. So whoever was
 * transferred and spoke to nobody, also where he hung up himself; but not where the destination was full, because the flow tells
 * him so and goes on. The rule measures against all calls answered by a person; transfers alone are stricter.
 */
export const ABANDONED_OUTCOMES: readonly TransferOutcome[] = ['abandoned', 'busy', 'no_answer', 'failed'];

/** The rule's period, 16 CFR 310.4(b)(4)(i). */
export const ABANDONED_DAYS = 30;

/** With fewer transfers one abandoned call would be more than 3 %, and chance. */
export const LEAST_TRANSFERS = 50;

/** Transfers of a campaign in the last 30 days. */
export interface TransferCounts {
  connected: number;
  abandoned: number;
}

/** Abandoned transfers in a hundred; null without any. */
export function abandonedPercent({ connected, abandoned }: TransferCounts): number | null {
  const all = connected + abandoned;
  return all === 0 ? null : (100 * abandoned) / all;
}

/** Why a campaign has to stop, as a sentence; null when it need not. */
export function whyTooManyAbandoned(counts: TransferCounts, maxPercent: number | null): string | null {
  const percent = abandonedPercent(counts);
  const all = counts.connected + counts.abandoned;
  if (maxPercent === null || percent === null || all < LEAST_TRANSFERS || percent <= maxPercent) return null;
  return `${counts.abandoned} of its ${all} transfers in ${ABANDONED_DAYS} days were abandoned, more than ${maxPercent} %`;
}
