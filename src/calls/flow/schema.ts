import { z } from 'zod';

/*
 * A flow as a tenant writes it: what a call does once it is answered. The shape of each part, and nothing about how parts fit
 * together: that is check.ts. One source for the types, the checks of the API and the OpenAPI document.
 */

/** The keys of a phone. */
export const KEYS = '0123456789*#';

const key = z.enum([...KEYS]);
const stepName = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,39}$/, 'must be a small letter, then small letters, digits and _, at most 40')
  .meta({ example: 'confirm' });
const variable = stepName.meta({
  description: 'Kept under this name, as `{name}` later in the flow and in `answers`',
});
const language = z
  .string()
  .regex(/^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}$/, 'must be a language such as en or pt-BR')
  .meta({ example: 'en' });
const spoken = z.string().min(1).max(2000).meta({
  description: 'Text with fields: `Dear {first_name|neighbour}, on {date:date} at {time:time}`',
});
const value = z.string().max(500).meta({ description: 'Text with fields, such as {amount}' });

/** What Asterisk's own say files speak. */
export const SAY_AS = ['number', 'digits', 'characters', 'date', 'time', 'datetime', 'money'] as const;

const messagePart = z.strictObject({ message: z.uuid().toLowerCase() });
const textPart = z.strictObject({
  text: spoken,
  language: language.exactOptional(),
  voice: z
    .string()
    .regex(/^[A-Za-z0-9_][A-Za-z0-9_+-]{0,63}$/, 'must be a name such as f3')
    .exactOptional(),
});
const sayPart = z.strictObject({
  say: z.enum(SAY_AS),
  value,
  language: language.exactOptional(),
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/)
    .exactOptional(),
});
/** One thing that is heard. */
export const part = z.union([messagePart, textPart, sayPart]).meta({
  id: 'PromptPart',
  description:
    'A message, text that the speech engine speaks, or a value that Asterisk says with its own files',
});
const prompt = z.array(part).min(1).max(20);

const next = stepName.exactOptional().meta({ description: 'The next step; without it the call ends' });
const repeats = z.int().min(0).max(5).default(1).meta({ description: 'How often it is asked again' });
const seconds = (most: number, usual: number) => z.number().min(1).max(most).default(usual);

const any_key_ends = z.boolean().default(false).meta({
  description: 'Any key ends it, and the flow goes on; else keys are written down while it is heard',
});
const play = z.strictObject({ type: z.literal('play'), message: z.uuid().toLowerCase(), any_key_ends, next });
const say = z.strictObject({ type: z.literal('say'), prompt, any_key_ends, next });

const menu = z.strictObject({
  type: z.literal('menu'),
  prompt,
  keys: z.partialRecord(key, stepName).meta({ description: 'The step behind each key' }),
  timeout_seconds: seconds(30, 5).meta({
    description: 'How long it waits for a key once the prompt is over',
  }),
  repeats,
  no_key: prompt.exactOptional().meta({ description: 'Said before it is asked again, when no key came' }),
  wrong_key: prompt
    .exactOptional()
    .meta({ description: 'Said before it is asked again, when another key came' }),
  on_timeout: next,
  on_wrong_key: next,
  save_as: variable.exactOptional(),
});

const collect = z.strictObject({
  type: z.literal('collect'),
  prompt,
  min_digits: z.int().min(1).max(40).default(1),
  max_digits: z.int().min(1).max(40),
  terminator: z.enum(['#', '*']).nullable().default('#'),
  timeout_seconds: seconds(30, 5).meta({ description: 'How long it waits for the first digit' }),
  digit_seconds: seconds(30, 3).meta({ description: 'How long it waits for each further digit' }),
  check: z
    .union([
      z.strictObject({ equals: value }),
      z.strictObject({ one_of: z.array(value).min(1).max(100) }),
      z.strictObject({ at_least: z.int(), at_most: z.int() }),
    ])
    .exactOptional(),
  confirm: z
    .strictObject({
      prompt: prompt.meta({ description: 'Speaks it back: {digits} is what was pressed' }),
      yes: key.default('1'),
      no: key.default('2'),
    })
    .exactOptional(),
  secret: z.boolean().default(false).meta({ description: 'What was pressed is recorded as stars' }),
  repeats,
  no_key: prompt.exactOptional(),
  wrong: prompt.exactOptional().meta({ description: 'Said before it is asked again, when it was not right' }),
  next,
  on_timeout: next,
  on_wrong: next,
  save_as: variable,
});

const record = z.strictObject({
  type: z.literal('record'),
  prompt: prompt.exactOptional(),
  max_seconds: z.int().min(1).max(600).default(60),
  silence_seconds: z
    .int()
    .min(1)
    .max(60)
    .nullable()
    .default(5)
    .meta({ description: 'Ends after so much silence' }),
  terminators: z.array(key).max(12).default(['#']),
  beep: z.boolean().default(true),
  next,
  on_silence: next.meta({ description: 'Where nothing was said' }),
  save_as: variable,
});

const transfer = z.strictObject({
  type: z.literal('transfer'),
  destination: z.uuid().toLowerCase().meta({ description: 'A transfer destination of the tenant' }),
  prompt: prompt.exactOptional(),
  ring_seconds: z.int().min(5).max(300).default(30),
  next: next.meta({ description: 'When the two have talked and the callee is still there' }),
  on_full: next.meta({ description: 'While the destination has no free port' }),
  on_failed: next.meta({ description: 'When nobody there took the call' }),
  save_as: variable.exactOptional(),
});

const branch = z.strictObject({
  type: z.literal('branch'),
  value: value.meta({ description: 'What is compared: {reply}, {call.machine}, {call.key} ...' }),
  cases: z.record(z.string().max(200), stepName),
  otherwise: next,
});

const set = z.strictObject({
  type: z.literal('set'),
  values: z.record(variable, value),
  next,
});

const optOut = z.strictObject({ type: z.literal('opt_out') });

/** Flows are read by viewers, and stand in the audit log. */
function namesNobody(text: string): boolean {
  if (!URL.canParse(text)) return true;
  const { username, password } = new URL(text);
  return username === '' && password === '';
}

const webhook = z.strictObject({
  type: z.literal('webhook'),
  url: z
    .url({ protocol: /^https?$/ })
    .max(2000)
    .refine(namesNobody, 'must have no user and no password: requests are signed'),
  timeout_ms: z.int().min(100).max(10_000).default(3000),
  save: z
    .array(variable)
    .max(20)
    .default([])
    .meta({ description: 'Members of the JSON answer that are kept' }),
  next,
  on_fail: next,
});

const hangup = z.strictObject({ type: z.literal('hangup') });

/** One step, by its `type`. */
export const step = z
  .discriminatedUnion('type', [
    play,
    say,
    menu,
    collect,
    record,
    transfer,
    branch,
    set,
    optOut,
    webhook,
    hangup,
  ])
  .meta({ id: 'FlowStep' });

/** A whole flow. */
export const flowDefinition = z
  .strictObject({
    start: stepName,
    language: language
      .default('en')
      .meta({ description: 'Of all that is spoken, unless a part says otherwise' }),
    opt_out_key: key.nullable().default(null).meta({
      description: 'Heard all through the call: whoever presses it is suppressed and the call ends',
    }),
    steps: z.record(stepName, step).meta({ description: 'By name; at most 200' }),
  })
  .meta({ id: 'FlowDefinition' });

export const STEP_TYPES = [
  'play',
  'say',
  'menu',
  'collect',
  'record',
  'transfer',
  'branch',
  'set',
  'opt_out',
  'webhook',
  'hangup',
] as const satisfies readonly Step['type'][];

export type Flow = z.output<typeof flowDefinition>;
export type Step = z.output<typeof step>;
export type Part = z.output<typeof part>;
export type StepOf<T extends Step['type']> = Extract<Step, { type: T }>;
export type Key = z.output<typeof key>;
