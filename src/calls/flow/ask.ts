import type { Key, Part, StepOf } from './schema.js';
import { ALL_KEYS, awaitKey, fill, hear, keep, type Way } from './way.js';

/** What came of asking once. */
type Reply = { outcome: 'answered'; next: string | undefined } | { outcome: 'timeout' | 'wrong' };

/** Asks for a key, again as often as the step says; returns the next step. */
export async function askKey(step: StepOf<'menu'>, way: Way): Promise<string | undefined> {
  const once = async (before: readonly Part[]): Promise<Reply> => {
    const key =
      (await hear([...before, ...step.prompt], ALL_KEYS, way)) ?? (await awaitKey(step.timeout_seconds, way));
    if (key === null) return { outcome: 'timeout' };
    const next = step.keys[key];
    if (next === undefined) return { outcome: 'wrong' };
    if (step.save_as) keep(step.save_as, key, way);
    return { outcome: 'answered', next };
  };
  const after = { timeout: step.no_key, wrong: step.wrong_key };
  return askAgain(once, step.repeats, after, { timeout: step.on_timeout, wrong: step.on_wrong_key }, way);
}

/** Asks for digits, again as often as the step says; returns the next step. */
export async function askDigits(step: StepOf<'collect'>, way: Way): Promise<string | undefined> {
  const once = async (before: readonly Part[]): Promise<Reply> => {
    const digits = await readDigits(step, [...before, ...step.prompt], way);
    if (digits === null) return { outcome: 'timeout' };
    way.entry.digits = way.secret ? '*'.repeat(digits.length) : digits;
    if (!isRight(digits, step, way)) return { outcome: 'wrong' };
    if (step.confirm && !(await confirms(digits, step.confirm, step.timeout_seconds, way)))
      return { outcome: 'wrong' };
    keep(step.save_as, digits, way);
    return { outcome: 'answered', next: step.next };
  };
  const after = { timeout: step.no_key, wrong: step.wrong };
  return askAgain(once, step.repeats, after, { timeout: step.on_timeout, wrong: step.on_wrong }, way);
}

async function askAgain(
  once: (before: readonly Part[]) => Promise<Reply>,
  repeats: number,
  after: Record<'timeout' | 'wrong', readonly Part[] | undefined>,
  otherwise: Record<'timeout' | 'wrong', string | undefined>,
  way: Way,
): Promise<string | undefined> {
  let before: readonly Part[] = [];
  for (let asked = 0; ; asked++) {
    const reply = await once(before);
    if (reply.outcome === 'answered' || asked === repeats) {
      way.entry.outcome = reply.outcome;
      return reply.outcome === 'answered' ? reply.next : otherwise[reply.outcome];
    }
    before = after[reply.outcome] ?? [];
  }
}

/** What is pressed up to the terminator, the most digits or a pause; null when nothing was. */
async function readDigits(
  step: StepOf<'collect'>,
  prompt: readonly Part[],
  way: Way,
): Promise<string | null> {
  let key = (await hear(prompt, ALL_KEYS, way)) ?? (await awaitKey(step.timeout_seconds, way));
  if (key === null) return null;
  let digits = '';
  while (key !== null && key !== step.terminator) {
    digits += key;
    if (digits.length === step.max_digits) break;
    key = await awaitKey(step.digit_seconds, way);
  }
  return digits;
}

function isRight(digits: string, step: StepOf<'collect'>, way: Way): boolean {
  if (!/^[0-9]*$/.test(digits) || digits.length < step.min_digits) return false;
  const { check } = step;
  if (!check) return true;
  // An expected value that is empty, because the contact has none, is nobody's PIN.
  if ('equals' in check) return digits === fill(check.equals, way);
  if ('one_of' in check) return check.one_of.some((value) => digits === fill(value, way));
  return Number(digits) >= check.at_least && Number(digits) <= check.at_most;
}

async function confirms(
  digits: string,
  confirm: NonNullable<StepOf<'collect'>['confirm']>,
  seconds: number,
  way: Way,
): Promise<boolean> {
  // For the prompt only: what is not confirmed is not kept.
  way.values.digits = digits;
  const key: Key | null =
    (await hear(confirm.prompt, [confirm.yes, confirm.no], way)) ?? (await awaitKey(seconds, way));
  return key === confirm.yes;
}
