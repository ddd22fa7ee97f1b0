import type { Answers, Happened } from './happened.js';
import type { Flow, Key, Part, StepOf } from './schema.js';
import { fieldsOf, fillText, type Values } from './text.js';
import type { TransferOutcome } from './transfer.js';

/** What became of a prompt. `key` broke it off; of a call that ended while it was said, `hungUp` is true. */
export interface Said {
  key: Key | null;
  /** Of all its parts. */
  heardSeconds: number;
  hungUp: boolean;
}

/** What became of a recording; `id` is null when nothing was said. */
export interface Recorded {
  id: string | null;
  seconds: number;
  key: Key | null;
  hungUp: boolean;
}

/** What became of a transfer. */
export interface Transferred {
  outcome: Exclude<TransferOutcome, 'unknown'>;
  /** Null where that is not known. */
  talkedSeconds: number | null;
  hungUp: boolean;
}

/** What a flow can do to the call. What does not tell that the call has ended throws FlowOver then. */
export interface Phone {
  /** Says the parts in order until one of `keys` is pressed; any other goes to `heard`, and it is said on. */
  say(
    prompt: readonly Part[],
    values: Values,
    keys: readonly Key[],
    heard: (key: Key) => void,
  ): Promise<Said>;
  /** Waits so many seconds for a key. */
  key(seconds: number): Promise<Key | null>;
  /** `name` is the step's. */
  record(step: StepOf<'record'>, name: string): Promise<Recorded>;
  transfer(step: StepOf<'transfer'>, name: string): Promise<Transferred>;
}

/** What a flow does beside the call. */
export interface Deeds {
  /** A step is over, with all answers so far. Called for each, also for the one in which the call ended; must not throw. */
  happened(entry: Happened, answers: Answers): void;
  /** The callee wants no more calls. Resolves when that is committed. */
  optOut(): Promise<void>;
  /** Asks the tenant's server; null when it failed or took too long, and `failed` is told why. */
  ask(
    step: StepOf<'webhook'>,
    values: Values,
    answers: Answers,
    failed: (reason: string) => void,
  ): Promise<Answers | null>;
}

/** Thrown when the call is over for the flow: the callee has hung up, or nothing more is to be said. */
export class FlowOver extends Error {
  override readonly name = 'FlowOver';
}

/** A flow on its way: what its steps share. */
export interface Way {
  readonly flow: Flow;
  readonly phone: Phone;
  readonly deeds: Deeds;
  /** The contact's fields, `call.*`, and what was kept. */
  readonly values: Values;
  readonly answers: Answers;
  /** Where the callee is. */
  readonly timeZone: string;
  /** Of the step under way. */
  readonly entry: Happened;
  /** Keys are written down as stars. */
  readonly secret: boolean;
  /** Names of values that are secret. */
  readonly secretNames: Set<string>;
}

/** Says a prompt and returns the key that broke it off. The opt-out key ends the call; other keys are written down. */
export async function hear(prompt: readonly Part[], keys: readonly Key[], way: Way): Promise<Key | null> {
  const { opt_out_key } = way.flow;
  const breaking = opt_out_key === null ? keys : [...keys, opt_out_key];
  const said = await way.phone.say(prompt, way.values, breaking, (key) => pressed(key, way));
  way.entry.heard_seconds = toMs((way.entry.heard_seconds ?? 0) + said.heardSeconds);
  if (said.hungUp) throw new FlowOver();
  if (said.key !== null) await heed(said.key, way);
  return said.key;
}

/** Waits for a key; the opt-out key ends the call. */
export async function awaitKey(seconds: number, way: Way): Promise<Key | null> {
  const key = await way.phone.key(seconds);
  if (key !== null) await heed(key, way);
  return key;
}

async function heed(key: Key, way: Way): Promise<void> {
  pressed(key, way);
  if (key !== way.flow.opt_out_key) return;
  await optOut(way);
  throw new FlowOver();
}

/** Writes a key down. */
export function pressed(key: Key, way: Way): void {
  if (!way.secret) way.values['call.key'] = key;
  const shown = way.secret ? HIDDEN_KEY : key;
  way.entry.pressed = [...(way.entry.pressed ?? []), { at: now(), key: shown }];
}

/** Keeps a value under a name, for later steps and, unless it is secret, for the tenant. */
export function keep(name: string, value: string, way: Way, secret = way.secret): void {
  way.values[name] = value;
  way.answers[name] = secret ? STAR.repeat(value.length) : value;
  if (secret) way.secretNames.add(name);
  else way.secretNames.delete(name);
}

/** Whether a text has a secret value in it once its fields are filled in. */
export function tellsSecret(text: string, way: Way): boolean {
  return fieldsOf(text).some(({ name }) => way.secretNames.has(name));
}

/** The text with its fields filled in, empty where one is not known. */
export function fill(text: string, way: Way): string {
  return fillText(text, way.values, { language: way.flow.language, timeZone: way.timeZone, missing: '' });
}

export const ALL_KEYS = [...'0123456789*#'] as readonly Key[];

export const now = () => new Date().toISOString();
const toMs = (seconds: number) => Math.round(seconds * 1000) / 1000;
/** What the digits of a secret are shown as, and each of its keys: one that no telephone has. */
const STAR = '*';
export const HIDDEN_KEY = 'x';

/** Ends the wish for calls, and with it the flow. */
export async function optOut(way: Way): Promise<undefined> {
  await way.deeds.optOut();
  way.entry.outcome = 'opted_out';
}
