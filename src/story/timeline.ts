import type { Happened } from '../calls/flow/happened.js';
import type { AttemptRecord, DeliveryRecord, TransferRecord } from '../db/attempt-record.js';
import { hangupReport, whyEnded } from './ending.js';
import { tellMachine, tellStep } from './steps.js';
import { span } from './words.js';

/** Something that happened, and when. */
export interface Moment {
  at: Date;
  text: string;
  /** Asterisk tells it in whole seconds only. */
  wholeSeconds?: boolean;
}

/** Where the call file of an open attempt lies, seen on this machine. */
export interface SeenFile {
  place: 'staging' | 'outgoing' | 'outgoing_done' | 'nowhere';
  begunAt: Date | null;
}

/** What happened in an attempt, in the order in which it is bound to happen; clocks of several machines may disagree about it. */
export function timelineOf(attempt: AttemptRecord, file: SeenFile | null): Moment[] {
  const { claimed_at, placed_at, answered_at, machine, hangup_at, ended_at } = attempt;
  const begunAt = attempt.begun_at ?? file?.begunAt ?? null;
  const trunk = attempt.trunk ? `trunk "${attempt.trunk.name}"` : 'a trunk that is gone';
  return [
    ...moment(dueAt(attempt), 'due'),
    ...moment(claimed_at, `claimed by node ${attempt.node}, on ${trunk}`),
    ...moment(placed_at, 'call file placed'),
    ...(begunAt ? [{ at: begunAt, text: 'Asterisk began the call', wholeSeconds: true }] : []),
    ...moment(answered_at, `answered${rang(attempt)}`),
    ...(machine && answered_at
      ? moment(new Date(answered_at.getTime() + machine.after_ms), tellMachine(machine))
      : []),
    ...inTheCall(attempt),
    ...moment(hangup_at, hangupReport(attempt)),
    ...moment(ended_at, `ended as ${attempt.disposition}: ${whyEnded(attempt)}; its port was free again`),
    ...attempt.deliveries.map(tellDelivery),
    ...attempt.inbound_calls.flatMap(({ began_at, opted_out }) =>
      moment(began_at, `the callee called back${opted_out ? ' and opted out' : ''}`),
    ),
  ];
}

function moment(at: Date | null, text: string): Moment[] {
  return at ? [{ at, text }] : [];
}

/** A contact is due from its upload on, but nobody is called before the campaign has started. */
export function dueAt({ due_at, campaign, ordinal }: AttemptRecord): Date | null {
  if (due_at === null || ordinal > 1 || campaign.started_at === null) return due_at;
  return campaign.started_at > due_at ? campaign.started_at : due_at;
}

function rang({ ring_seconds }: AttemptRecord): string {
  return ring_seconds === null ? '' : ` after ringing for ${span(ring_seconds)}`;
}

function inTheCall({ steps, transfers, recordings }: AttemptRecord): Moment[] {
  // Of the same millisecond what a step waits for comes first.
  const moments = [
    ...transfers.flatMap(tellTransfer),
    ...recordings.map(({ created_at, step, seconds, id }) => ({
      at: created_at,
      text: `recording of "${step}" stored, ${span(seconds)}: ${id}`,
    })),
    ...(steps ?? []).flatMap((entry) => tellEntry(entry, transfers)),
  ];
  return moments.toSorted((a, b) => a.at.getTime() - b.at.getTime());
}

/** Of a transfer its own row tells more; the step, what was said before. */
function tellEntry(entry: Happened, transfers: readonly TransferRecord[]): Moment[] {
  const at = new Date(entry.at);
  if (!transfers.some(({ step }) => step === entry.step)) return [{ at, text: tellStep(entry) }];
  if (entry.heard_seconds === undefined) return [];
  const { outcome, talked_seconds, ...before } = entry;
  return [{ at, text: tellStep(before) }];
}

function tellTransfer({
  began_at,
  ended_at,
  outcome,
  talked_seconds,
  destination,
  step,
}: TransferRecord): Moment[] {
  const to = destination ? `${destination.kind} "${destination.name}"` : 'a destination that is gone';
  if (outcome === 'full') return [{ at: began_at, text: `transfer "${step}" to ${to}: no port was free` }];
  const talked = talked_seconds === null ? '' : `, talked for ${span(talked_seconds)}`;
  return [
    { at: began_at, text: `transfer "${step}" to ${to} took a port` },
    ...(ended_at ? [{ at: ended_at, text: `transfer "${step}" ended: ${outcome}${talked}` }] : []),
  ];
}

function tellDelivery(delivery: DeliveryRecord): Moment {
  const { type, state, attempts, status_code, error, created_at, last_attempt_at, webhook_id } = delivery;
  const times = `${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}`;
  const how = {
    delivered: `delivered (${status_code}, ${times})`,
    pending: attempts === 0 ? 'waits to be sent' : `not delivered yet (${times}: ${error})`,
    failed: `given up (${times}: ${error})`,
  };
  return { at: last_attempt_at ?? created_at, text: `event ${type} to webhook ${webhook_id}: ${how[state]}` };
}
