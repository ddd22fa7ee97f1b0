import type { Disposition } from '../calls/states.js';
import type { AttemptRecord, Sibling } from '../db/attempt-record.js';
import { between, span, wallTime } from './words.js';

const HELD = {
  frequency_cap: 'a frequency cap holds it until then',
  silent_call: 'it was called in silence, and is left alone until then',
  speech: 'its text could not be spoken',
};

/** What comes after an attempt, as a sentence. `now` tells how far away that is. */
export function whatComesNext(attempt: AttemptRecord, now: Date): string {
  const { contact, disposition } = attempt;
  if (disposition === null) return 'it is open: its port is held until it ends.';
  const next = attempt.attempts.find(({ ordinal }) => ordinal > attempt.ordinal);
  if (next) return `the contact was tried again: attempt ${next.ordinal}, ${next.id}.`;
  if (contact.state === 'retrying' || contact.state === 'pending') return retryAt(attempt, now);
  if (contact.state === 'calling') return 'the contact is being called again.';
  return `none: the contact has ended as ${contact.state}${whyNoMore(attempt, disposition)}.`;
}

function retryAt({ contact, campaign }: AttemptRecord, now: Date): string {
  const seconds = between(now, contact.due_at)!;
  const when =
    seconds > 0 ? `at ${wallTime(contact.due_at)}, in ${span(seconds)}` : `since ${wallTime(contact.due_at)}`;
  const held = contact.held_for && seconds > 0 ? `; ${HELD[contact.held_for]}` : '';
  const status = campaign.status === 'running' ? '' : `; but its campaign is ${campaign.status}`;
  return `the contact is due again ${when}${held}${status}.`;
}

/** By the rules as the campaign has them now. */
function whyNoMore({ contact, campaign }: AttemptRecord, disposition: Disposition): string {
  const { state } = contact;
  if (state === 'answered' || state === 'machine') return '';
  if (state === 'suppressed' || state === 'no_consent' || state === 'expired' || state === 'cancelled')
    return '';
  const rule = (campaign.retry as Partial<Record<Disposition, string>>)[disposition];
  if (disposition === 'invalid_number') return '; a wrong number stays wrong';
  if (rule === undefined) return `; the campaign has no retry rule for ${disposition}`;
  if (contact.attempts >= campaign.max_attempts)
    return `; the campaign allows ${campaign.max_attempts} ${campaign.max_attempts === 1 ? 'attempt' : 'attempts'}`;
  return `; the rule "${disposition}: ${rule}" has no more retries`;
}

/** Another attempt at the contact in a line. */
export function tellSibling({ id, ordinal, claimed_at, ended_at, disposition }: Sibling): string {
  const took = between(claimed_at, ended_at);
  const end = took === null ? 'open' : `${disposition} after ${span(took)}`;
  return `attempt ${ordinal}  ${id}  ${wallTime(claimed_at)}  ${end}`;
}
