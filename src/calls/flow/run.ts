import { askDigits, askKey } from './ask.js';
import type { Answers, Happened } from './happened.js';
import type { Flow, Part, Step, StepOf } from './schema.js';
import type { Values } from './text.js';
import {
  ALL_KEYS,
  type Deeds,
  FlowOver,
  fill,
  hear,
  keep,
  now,
  optOut,
  type Phone,
  pressed,
  tellsSecret,
  type Way,
} from './way.js';

/** A loop of the callee's making, who presses the same key for ever, ends here. */
const MOST_STEPS = 500;

/**
 * Walks a flow (checked by check.ts) with whoever answered. Resolves when it is at its end, and the call is to be hung up;
 * and when the call ends before; throws what went wrong. `fields` are the contact's, `call` what is known of the call and
 * can be asked for as `{call.machine}`, for example; `timeZone` is where the callee is.
 */
export async function runFlow(
  flow: Flow,
  about: { fields: Values; call: Record<string, string>; timeZone: string },
  phone: Phone,
  deeds: Deeds,
): Promise<void> {
  const call = Object.entries(about.call).map(([name, value]) => [`call.${name}`, value]);
  const values = { ...about.fields, ...Object.fromEntries(call) };
  const answers: Answers = {};
  const secretNames = new Set<string>();
  const { timeZone } = about;
  let name: string | undefined = flow.start;
  for (let steps = 0; name !== undefined && steps < MOST_STEPS; steps++) {
    const step: Step = flow.steps[name]!;
    const entry: Happened = { at: now(), step: name, type: step.type };
    const secret = step.type === 'collect' && step.secret;
    name = await take(step, { flow, phone, deeds, values, answers, timeZone, entry, secret, secretNames });
  }
}

async function take(step: Step, way: Way): Promise<string | undefined> {
  try {
    return await doStep(step, way);
  } catch (error) {
    if (error instanceof FlowOver) {
      way.entry.outcome ??= 'hung_up';
      return undefined;
    }
    way.entry.outcome = 'failed';
    throw error;
  } finally {
    way.deeds.happened(way.entry, way.answers);
  }
}

async function doStep(step: Step, way: Way): Promise<string | undefined> {
  switch (step.type) {
    case 'play':
      await tell([{ message: step.message }], step.any_key_ends, way);
      return step.next;
    case 'say':
      await tell(step.prompt, step.any_key_ends, way);
      return step.next;
    case 'menu':
      return askKey(step, way);
    case 'collect':
      return askDigits(step, way);
    case 'record':
      return record(step, way);
    case 'transfer':
      return transfer(step, way);
    case 'branch':
      return branchOf(step, way);
    case 'set':
      for (const [name, text] of Object.entries(step.values))
        keep(name, fill(text, way), way, tellsSecret(text, way));
      return step.next;
    case 'opt_out':
      return optOut(way);
    case 'webhook':
      return askServer(step, way);
    case 'hangup':
      return undefined;
  }
}

async function tell(prompt: readonly Part[], anyKeyEnds: boolean, way: Way): Promise<void> {
  const key = await hear(prompt, anyKeyEnds ? ALL_KEYS : [], way);
  if (key !== null) way.entry.outcome = 'key';
}

async function record(step: StepOf<'record'>, way: Way): Promise<string | undefined> {
  if (step.prompt) await hear(step.prompt, [], way);
  const { id, seconds, key, hungUp } = await way.phone.record(step, way.entry.step);
  if (key !== null) pressed(key, way);
  way.entry.recorded_seconds = seconds;
  if (id !== null) {
    way.entry.recording = id;
    keep(step.save_as, id, way);
  }
  if (hungUp) throw new FlowOver();
  if (id !== null) return step.next;
  way.entry.outcome = 'silence';
  return step.on_silence ?? step.next;
}

async function transfer(step: StepOf<'transfer'>, way: Way): Promise<string | undefined> {
  if (step.prompt) await hear(step.prompt, [], way);
  const { outcome, talkedSeconds, hungUp } = await way.phone.transfer(step, way.entry.step);
  way.entry.outcome = outcome;
  if (talkedSeconds !== null) way.entry.talked_seconds = talkedSeconds;
  if (step.save_as) keep(step.save_as, outcome, way);
  if (hungUp) throw new FlowOver();
  if (outcome === 'connected') return step.next;
  return outcome === 'full' ? step.on_full : step.on_failed;
}

function branchOf(step: StepOf<'branch'>, way: Way): string | undefined {
  const value = fill(step.value, way);
  const found = Object.hasOwn(step.cases, value) ? step.cases[value] : undefined;
  way.entry.outcome = found === undefined ? 'otherwise' : tellsSecret(step.value, way) ? 'secret' : value;
  return found ?? step.otherwise;
}

async function askServer(step: StepOf<'webhook'>, way: Way): Promise<string | undefined> {
  const got = await way.deeds.ask(step, way.values, way.answers, (reason) => {
    way.entry.reason = reason;
  });
  way.entry.outcome = got ? 'answered' : 'failed';
  if (!got) return step.on_fail;
  for (const name of step.save) if (Object.hasOwn(got, name)) keep(name, got[name]!, way);
  return step.next;
}
