import type { Talk } from './agi-amd.js';
import type { Manner } from './far-end.js';

/**
 * +1, an area code, 555 and 0100 to 0199: the numbering plan of North America keeps these of every area code for fiction
 * (NANPA, "555 line numbers"), and as numbers they are right.
 */
const TEST_NUMBER = /^\+1[2-9]\d\d55501(\d\d)$/;

/** Numbers whose calls are remembered, for those that go otherwise each time. */
const MOST_KNOWN = 10_000;

const BUSY: Manner = { kind: 'refuses', sipStatus: 486 };
const RINGS: Manner = { kind: 'rings', sipStatus: 180 };
const CONGESTED: Manner = { kind: 'refuses', sipStatus: 503 };
const LISTENS = answers({});

/**
 * What comes of a call to a test number, by its last two digits: one manner for each call, and then from the first again. Those
 * not named are answered by somebody who listens to the end, and so is every number of somebody's own. What is said of it to
 * tenants is in docs/test-mode.md.
 */
const MANNERS: Readonly<Record<string, readonly Manner[]>> = {
  '00': [LISTENS],
  // Whenever a key is waited for, the same again.
  ...Object.fromEntries([...'123456789'].map((key) => [`0${key}`, [presses(key.repeat(100))]])),
  10: [presses('0'.repeat(100))],
  11: [presses('*'.repeat(100))],
  12: [presses('#'.repeat(100))],
  13: [presses('12')],
  14: [presses('1234#')],
  15: [presses(`7${'1'.repeat(99)}`)],
  20: [hangsUpAfter(2_000)],
  21: [hangsUpAfter(100)],
  22: [hangsUpAfter(10_000)],
  23: [answers({ ringMs: 4_000 })],
  30: [BUSY],
  31: [RINGS],
  32: [{ kind: 'refuses', sipStatus: 480 }],
  33: [{ kind: 'refuses', sipStatus: 603 }],
  34: [{ kind: 'refuses', sipStatus: 404 }],
  40: [answers({ talk: 'machine' })],
  41: [answers({ talk: 'nothing' })],
  50: [CONGESTED],
  51: [{ kind: 'rings', sipStatus: null }],
  52: [{ kind: 'refuses', sipStatus: 401 }],
  53: [{ kind: 'refuses', sipStatus: 488 }],
  60: [BUSY, LISTENS],
  61: [RINGS, LISTENS],
  62: [CONGESTED, LISTENS],
};

/** The last two digits of the test numbers that are answered in another way than every other number. */
export const TEST_CODES: readonly string[] = Object.keys(MANNERS).toSorted();

/** How the calls of test campaigns are taken. Remembers how often numbers were called, for those that change their mind. */
export function createTestManners(): (number: string) => Manner {
  const called = new Map<string, number>();
  return (number) => {
    const manners = MANNERS[TEST_NUMBER.exec(number)?.[1] ?? ''] ?? [LISTENS];
    if (manners.length === 1) return manners[0]!;
    const before = called.get(number) ?? 0;
    if (called.size >= MOST_KNOWN) called.clear();
    called.set(number, before + 1);
    return manners[before % manners.length]!;
  };
}

function answers(more: { ringMs?: number; replies?: string; talk?: Talk }): Manner {
  return { kind: 'answers', ringMs: 500, acts: [], ...more };
}

function presses(replies: string): Manner {
  return answers({ replies });
}

function hangsUpAfter(afterMs: number): Manner {
  return { kind: 'answers', ringMs: 500, acts: [{ afterMs, does: 'hangUp' }] };
}
