import { CampanileError } from '../errors.js';

/** What a template is filled with. Nothing here is a tenant's free text. */
export interface TemplateValues {
  /** E.164 with the plus. */
  number: string;
  /** The trunk's name on the PBX. */
  trunk: string;
  /** E.164, or null: then the lines that name it are left out and the trunk's own is shown. */
  callerId: string | null;
  /** Seconds that the far end may ring. */
  ringSeconds: number;
  /** The call id, `<tenant uuid>.<attempt uuid>`. */
  call: string;
  /** What FastAGI requests of this call prove themselves with. */
  token: string;
  /** `agi://host:port`. */
  agi: string;
  /** The absolute path of the file that the hangup handler appends its report to. */
  reports: string;
}

interface Placeholder {
  pattern: RegExp;
  value(values: TemplateValues): string | null;
}

const E164 = /^\+[1-9]\d{6,14}$/;

/** Each placeholder, its value, and what the value must look like: nothing else ever reaches a dial string. */
const placeholders = {
  number: { pattern: E164, value: (v) => v.number },
  digits: { pattern: /^[1-9]\d{6,14}$/, value: (v) => v.number.replace(/^\+/, '') },
  trunk: { pattern: /^[A-Za-z0-9_-]{1,64}$/, value: (v) => v.trunk },
  caller_id: { pattern: E164, value: (v) => v.callerId },
  ring_seconds: { pattern: /^[1-9]\d{0,2}$/, value: (v) => String(v.ringSeconds) },
  call: { pattern: /^[0-9a-f-]{36}\.[0-9a-f-]{36}$/, value: (v) => v.call },
  token: { pattern: /^[A-Za-z0-9_-]{16,128}$/, value: (v) => v.token },
  agi: {
    pattern: /^agi:\/\/(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\]):[1-9]\d{0,4}$/,
    value: (v) => v.agi,
  },
  reports: { pattern: /^(?:\/[A-Za-z0-9_.-]+)+$/, value: (v) => v.reports },
} satisfies Record<string, Placeholder>;

/** The longest values that there can be. */
export const LONGEST_VALUES: TemplateValues = {
  number: `+${'9'.repeat(15)}`,
  trunk: 'x'.repeat(64),
  callerId: `+${'9'.repeat(15)}`,
  ringSeconds: 999,
  call: `${'0'.repeat(36)}.${'0'.repeat(36)}`,
  token: 'x'.repeat(128),
  agi: `agi://${'x'.repeat(253)}:65535`,
  // Of a longer path Asterisk cannot archive a call file: see openSpool.
  reports: `/${'x'.repeat(254)}`,
};

export type PlaceholderName = keyof typeof placeholders;

export const PLACEHOLDER_NAMES = Object.keys(placeholders) as PlaceholderName[];

/** Whether `{name}` is one that a template may hold. */
export function isPlaceholder(name: string): name is PlaceholderName {
  return Object.hasOwn(placeholders, name);
}

/**
 * The text that stands for `{name}`, or null when there is none. Throws a CampanileError (`template_value_refused`)
 * when the value does not look as it must.
 */
export function textOf(name: PlaceholderName, values: TemplateValues): string | null {
  const { pattern, value } = placeholders[name];
  const text = value(values);
  if (text === null || pattern.test(text)) return text;
  // The value is not told: it may be a token.
  throw new CampanileError(
    'template_value_refused',
    `cannot fill {${name}}: the value does not match ${pattern}`,
  );
}
