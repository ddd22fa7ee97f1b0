import type { Disposition } from '../calls/states.js';

/** A stretch of time, in milliseconds since 1970. */
export interface Span {
  from: number;
  to: number;
}

/** What the utilisation is computed from, of one attempt; milliseconds since 1970. */
export interface TimedAttempt {
  contactId: string;
  claimedAt: number;
  endedAt: number;
  disposition: Disposition;
}

export interface Utilisation {
  /** Port-seconds in use while work was due, of those that there were: 0 to 1; 1 when no work ever waited. */
  share: number;
  /** How long work was due, in seconds. */
  dueSeconds: number;
}

/**
 * When some contact was due and not being called yet: from the campaign's start to the claim of its first attempt, and
 * from the end of an attempt plus the retry delay to the claim of the next. In order, none touching another.
 */
export function dueSpans(
  attempts: readonly TimedAttempt[],
  startedAt: number,
  delaysOf: (disposition: Disposition) => readonly number[],
): Span[] {
  const spans: Span[] = [];
  for (const ofOne of byContact(attempts)) {
    let due = startedAt;
    const ended = new Map<Disposition, number>();
    for (const attempt of ofOne) {
      spans.push({ from: due, to: attempt.claimedAt });
      const times = (ended.get(attempt.disposition) ?? 0) + 1;
      ended.set(attempt.disposition, times);
      due = attempt.endedAt + (delaysOf(attempt.disposition)[times - 1] ?? 0) * 1000;
    }
  }
  return merge(spans);
}

/** How much of `ports` was in use by calls that lasted `busy`, within the times of `due` (as `dueSpans` gives them). */
export function utilisationOf(busy: readonly Span[], due: readonly Span[], ports: number): Utilisation {
  const dueMs = lengthOf(due);
  if (dueMs === 0) return { share: 1, dueSeconds: 0 };
  const usedMs = due.reduce((sum, span) => sum + lengthOf(busy.map((call) => overlap(call, span))), 0);
  return { share: usedMs / (dueMs * ports), dueSeconds: dueMs / 1000 };
}

function byContact(attempts: readonly TimedAttempt[]): TimedAttempt[][] {
  const contacts = new Map<string, TimedAttempt[]>();
  for (const attempt of [...attempts].sort((a, b) => a.claimedAt - b.claimedAt)) {
    const others = contacts.get(attempt.contactId);
    if (others) others.push(attempt);
    else contacts.set(attempt.contactId, [attempt]);
  }
  return [...contacts.values()];
}

function merge(spans: readonly Span[]): Span[] {
  const merged: Span[] = [];
  for (const span of spans.filter(({ from, to }) => to > from).sort((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last && span.from <= last.to) last.to = Math.max(last.to, span.to);
    else merged.push({ ...span });
  }
  return merged;
}

function overlap(a: Span, b: Span): Span {
  return { from: Math.max(a.from, b.from), to: Math.min(a.to, b.to) };
}

function lengthOf(spans: readonly Span[]): number {
  return spans.reduce((sum, { from, to }) => sum + Math.max(0, to - from), 0);
}
