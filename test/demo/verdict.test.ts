import { describe, expect, it } from 'vitest';
import type { Disposition } from '../../src/calls/states.js';
import { demoContacts, expectationOf } from '../../src/demo/kinds.js';
import { type ContactResult, judge } from '../../src/demo/verdict.js';

const contacts = demoContacts(8);

/** What the database says when all went as it had to. */
function perfect(): ContactResult[] {
  return contacts.map(({ number, kind }) => {
    const { state, attempts } = expectationOf(kind);
    return { number, state, dispositions: Array<Disposition>(attempts).fill(kind.disposition) };
  });
}

function invites(results: readonly ContactResult[]): string[] {
  return results.flatMap(({ number, dispositions }) => dispositions.map(() => number));
}

const busy = contacts.find(({ kind }) => kind.code === '486')!.number;
const changed = (change: Partial<ContactResult>): ContactResult[] =>
  perfect().map((result) => (result.number === busy ? { ...result, ...change } : result));

describe('the verdict of the demo', () => {
  it('finds no difference when each contact ended as it had to', () => {
    const { differences, kinds } = judge(contacts, perfect(), invites(perfect()));
    expect(differences).toEqual([]);
    expect(kinds.map(({ contacts: all, matched }) => [all, matched])).toEqual(kinds.map(() => [1, 1]));
    expect(kinds).toHaveLength(8);
  });

  it('names a contact in another final state', () => {
    const results = changed({ state: 'no_answer' });
    const { differences, kinds } = judge(contacts, results, invites(results));
    expect(differences).toEqual([`${busy} (is busy): ended as no_answer, not busy`]);
    expect(kinds.find(({ kind }) => kind.code === '486')).toMatchObject({ contacts: 1, matched: 0 });
  });

  it('names a contact that has not ended', () => {
    const results = changed({ state: 'calling', dispositions: ['busy', 'busy', null] });
    expect(judge(contacts, results, invites(results)).differences).toEqual([
      `${busy} (is busy): ended as calling, not busy`,
      `${busy} (is busy): attempt 3 was not over, not busy`,
    ]);
  });

  it('names an attempt that ended as something else, although the contact ended rightly', () => {
    const results = changed({ dispositions: ['busy', 'congestion', 'busy'] });
    expect(judge(contacts, results, invites(results)).differences).toEqual([
      `${busy} (is busy): attempt 2 was congestion, not busy`,
    ]);
  });

  it('names a contact that was tried too rarely', () => {
    const results = changed({ dispositions: ['busy'] });
    expect(judge(contacts, results, invites(results)).differences).toEqual([
      `${busy} (is busy): had 1 attempt, not 3`,
    ]);
  });

  it('names a number that the far end was called on more often than the database knows', () => {
    const { differences } = judge(contacts, perfect(), [...invites(perfect()), busy]);
    expect(differences).toEqual([
      `${busy} (is busy): the far end saw 4 INVITEs, the database has 3 attempts`,
    ]);
  });

  it('names a call that never reached the far end', () => {
    const without = invites(perfect()).filter((number) => number !== busy);
    expect(judge(contacts, perfect(), without).differences).toEqual([
      `${busy} (is busy): the far end saw 0 INVITEs, the database has 3 attempts`,
    ]);
  });

  it('names contacts that are missing, and numbers that are no contacts', () => {
    const stranger = '+12125550199';
    const results = perfect().filter(({ number }) => number !== busy);
    const { differences } = judge(
      contacts,
      [...results, { number: stranger, state: 'answered', dispositions: [] }],
      [...invites(results), stranger],
    );
    expect(differences).toEqual([
      `${busy} (is busy): ${busy} is not in the database`,
      `${stranger}: the far end saw 1 INVITE, it is no contact`,
      `${stranger}: in the database, but never given to the API`,
    ]);
  });
});
