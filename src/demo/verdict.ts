import type { Disposition } from '../calls/states.js';
import { type DemoContact, expectationOf, KINDS, type Kind } from './kinds.js';

/** What the database says of a contact when all is over. */
export interface ContactResult {
  number: string;
  state: string;
  /** In the order they were made; null for one that has not ended. */
  dispositions: readonly (Disposition | null)[];
}

/** How the contacts of one kind ended. */
export interface KindResult {
  kind: Kind;
  contacts: number;
  matched: number;
}

export interface Verdict {
  /** Empty when each contact ended as its far end dictates, after as many calls as the far end saw. */
  differences: string[];
  kinds: KindResult[];
}

/**
 * Compares what was to be with what the database says and with the numbers of the INVITEs that the far end saw, one
 * entry per INVITE.
 */
export function judge(
  contacts: readonly DemoContact[],
  results: readonly ContactResult[],
  invited: readonly string[],
): Verdict {
  const resultOf = new Map(results.map((result) => [result.number, result]));
  const invitesOf = countOf(invited);
  const kinds = new Map(KINDS.map((kind) => [kind, { kind, contacts: 0, matched: 0 }]));
  const differences: string[] = [];
  for (const { number, kind } of contacts) {
    const found = compare(number, kind, resultOf.get(number), invitesOf.get(number) ?? 0);
    const ofKind = kinds.get(kind)!;
    ofKind.contacts += 1;
    if (found.length === 0) ofKind.matched += 1;
    differences.push(...found.map((text) => `${number} (${kind.title}): ${text}`));
  }
  const known = new Set(contacts.map(({ number }) => number));
  for (const [number, times] of invitesOf) {
    if (!known.has(number))
      differences.push(`${number}: the far end saw ${count(times, 'INVITE')}, it is no contact`);
  }
  for (const { number } of results) {
    if (!known.has(number)) differences.push(`${number}: in the database, but never given to the API`);
  }
  return { differences, kinds: [...kinds.values()].filter((kind) => kind.contacts > 0) };
}

/** What is wrong with one contact, as sentences; none when it ended as it had to. */
function compare(number: string, kind: Kind, result: ContactResult | undefined, invites: number): string[] {
  if (!result) return [`${number} is not in the database`];
  const expected = expectationOf(kind);
  const { state, dispositions } = result;
  const wrong: string[] = [];
  if (state !== expected.state) wrong.push(`ended as ${state}, not ${expected.state}`);
  if (dispositions.length !== expected.attempts)
    wrong.push(`had ${count(dispositions.length, 'attempt')}, not ${expected.attempts}`);
  const odd = dispositions.findIndex((disposition) => disposition !== kind.disposition);
  if (odd >= 0)
    wrong.push(`attempt ${odd + 1} was ${dispositions[odd] ?? 'not over'}, not ${kind.disposition}`);
  if (invites !== dispositions.length)
    wrong.push(
      `the far end saw ${count(invites, 'INVITE')}, the database has ${count(dispositions.length, 'attempt')}`,
    );
  return wrong;
}

function countOf(numbers: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const number of numbers) counts.set(number, (counts.get(number) ?? 0) + 1);
  return counts;
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}
