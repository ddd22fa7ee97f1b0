import type { Answers, Happened } from '../../../src/calls/flow/happened.js';
import { runFlow } from '../../../src/calls/flow/run.js';
import { flowDefinition, type Key, type Part, type StepOf } from '../../../src/calls/flow/schema.js';
import {
  type Deeds,
  FlowOver,
  type Phone,
  type Recorded,
  type Transferred,
} from '../../../src/calls/flow/way.js';

/** What the callee does, in order: presses a key while a prompt is said or waited for, says nothing to it, or hangs up. */
export type Act = Key | null | 'hangs up' | { during: Key[]; last: Key | null };

export interface Walked {
  /** What was said, part by part, and what was waited for. */
  heard: string[];
  steps: Omit<Happened, 'at'>[];
  answers: Answers;
  optedOut: boolean;
  /** What the flow threw. */
  error: unknown;
}

/** Walks a flow, given without its defaults, with a callee who acts as told and then keeps silent. */
export async function walk(
  flow: unknown,
  acts: Act[] = [],
  more: {
    fields?: Record<string, string>;
    call?: Record<string, string>;
    recorded?: Recorded;
    transferred?: Transferred;
    asked?: (step: StepOf<'webhook'>, values: Record<string, string>) => Answers | null;
    optOut?: () => Promise<void>;
  } = {},
): Promise<Walked> {
  const walked: Walked = { heard: [], steps: [], answers: {}, optedOut: false, error: null };
  const script = [...acts];
  const act = () => script.shift() ?? null;
  const phone: Phone = {
    async say(prompt, values, keys, heard) {
      walked.heard.push(...prompt.map((part) => wordsOf(part, values)));
      const next = act();
      if (next === 'hangs up') return { key: null, heardSeconds: 0.5, hungUp: true };
      const { during, last } = next !== null && typeof next === 'object' ? next : { during: [], last: next };
      for (const key of during) heard(key);
      if (last !== null && !keys.includes(last)) heard(last);
      return { key: last !== null && keys.includes(last) ? last : null, heardSeconds: 1, hungUp: false };
    },
    async key(seconds) {
      walked.heard.push(`(${seconds} s)`);
      const next = act();
      if (next === 'hangs up') throw new FlowOver();
      return next as Key | null;
    },
    async record() {
      if (script[0] === 'hangs up') throw new FlowOver();
      return more.recorded ?? { id: null, seconds: 0, key: null, hungUp: false };
    },
    transfer: async () => more.transferred ?? { outcome: 'connected', talkedSeconds: 7, hungUp: false },
  };
  const deeds: Deeds = {
    happened({ at, ...entry }, answers) {
      if (Number.isNaN(Date.parse(at))) throw new Error(`no time: ${at}`);
      walked.steps.push({
        ...entry,
        ...(entry.pressed ? { pressed: entry.pressed.map((p) => ({ ...p, at: '' })) } : {}),
      });
      walked.answers = { ...answers };
    },
    async optOut() {
      await more.optOut?.();
      walked.optedOut = true;
    },
    ask: async (step, values) => more.asked?.(step, values) ?? null,
  };
  const about = { fields: more.fields ?? {}, call: more.call ?? {}, timeZone: 'UTC' };
  await runFlow(flowDefinition.parse(flow), about, phone, deeds).catch((error: unknown) => {
    walked.error = error;
  });
  return walked;
}

function wordsOf(part: Part, values: Record<string, string>): string {
  if ('message' in part) return part.message;
  if ('text' in part) return part.text;
  return `${part.say}: ${part.value.replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? '')}`;
}
