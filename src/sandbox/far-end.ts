import { FINAL_RESPONSES } from '../calls/sip-responses.js';
import type { Talk } from './agi-amd.js';

/** What the person called does, some milliseconds after answering: hangs up, or presses a key. */
export type Act = { afterMs: number; does: 'hangUp' } | { afterMs: number; does: 'press'; key: string };

/**
 * How the far end takes a call: refuses it at once; rings until the caller gives up (`sipStatus` is the provisional
 * response, null for none at all); or answers after `ringMs` and then acts. Whenever the caller waits for a key it presses the
 * next one of `replies` after a while, as long as there are any. Times in milliseconds.
 */
export type Manner =
  | { kind: 'refuses'; sipStatus: number }
  | { kind: 'rings'; sipStatus: 180 | 183 | null }
  | { kind: 'answers'; ringMs: number; acts: readonly Act[]; replies?: string; talk?: Talk };

export interface FarEndManners {
  /** Code 201: seconds from the answer to the callee's own hang-up. */
  answerSeconds: number;
  /** Code 202: seconds of ringing before the answer. */
  ringSeconds: number;
}

/** Codes 200, 201, 203, 205: somebody is quick to pick up. */
const PICK_UP_MS = 100;

/**
 * How the far end takes a call to `number`, by its last three digits. The codes are those of the project's SIPp far end
 * (`src/lab/sipp-scenario.ts`), so that one set of numbers means the same on both:
 *
 * | code | the far end |
 * |---|---|
 * | 300 to 699 | sends that response at once, or its class's (400 for 499) when SIP has no such status |
 * | 180, 183 | rings, without and with early media, until WaitTime runs out |
 * | 200, and any other | answers, stays until hung up |
 * | 201 | answers, hangs up after `answerSeconds` |
 * | 202 | rings for `ringSeconds`, answers, stays until hung up |
 * | 203 | answers, hangs up after 0.5 s |
 * | 205 | answers, presses 5 after 1 s |
 * | 206 | answers, a machine with a greeting and a beep; SIPp's says nothing |
 * | 207 | answers, says nothing |
 * | 999 | never sends anything |
 */
export function mannerOf(number: string, manners: FarEndManners): Manner {
  const code = Number(/\d{3}$/.exec(number)?.[0] ?? 200);
  if (code >= 300 && code < 700) {
    return { kind: 'refuses', sipStatus: FINAL_RESPONSES[code] ? code : code - (code % 100) };
  }
  switch (code) {
    case 180:
    case 183:
      return { kind: 'rings', sipStatus: code };
    case 999:
      return { kind: 'rings', sipStatus: null };
    case 201:
      return answers({ afterMs: manners.answerSeconds * 1000, does: 'hangUp' });
    case 202:
      return { kind: 'answers', ringMs: manners.ringSeconds * 1000, acts: [] };
    case 203:
      return answers({ afterMs: 500, does: 'hangUp' });
    case 205:
      return answers({ afterMs: 1000, does: 'press', key: '5' });
    case 206:
      return { kind: 'answers', ringMs: PICK_UP_MS, acts: [], talk: 'machine' };
    case 207:
      return { kind: 'answers', ringMs: PICK_UP_MS, acts: [], talk: 'nothing' };
    default:
      return answers();
  }
}

function answers(...acts: Act[]): Manner {
  return { kind: 'answers', ringMs: PICK_UP_MS, acts };
}
