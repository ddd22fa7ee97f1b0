import { type Directive, renderCallFile } from './call-file.js';
import { isPlaceholder, type PlaceholderName, type TemplateValues, textOf } from './placeholder.js';

export type { TemplateValues } from './placeholder.js';

/** A checked call-file template. Its directives still hold their placeholders, comments are gone. */
export interface Template {
  name: string;
  /** The file it was read from. */
  file: string;
  directives: readonly Directive[];
}

/** `{name}`, but not the `${NAME}` of a dialplan expression. */
const PLACEHOLDER = /(?<!\$)\{([^{}]*)\}/g;

/** The names written in braces in a directive's value, known or not. */
export function placeholdersIn(value: string): string[] {
  return [...value.matchAll(PLACEHOLDER)].map((match) => match[1]!);
}

/**
 * The call file of one attempt. A line that names a placeholder without a value (a caller id of null) is left out.
 * Throws a CampanileError: `template_value_refused` for a value that does not look as it must, `call_file_refused` for
 * what a call file cannot carry.
 */
export function renderTemplate(template: Template, values: TemplateValues): string {
  return renderCallFile(template.directives.flatMap((directive) => fill(directive, values)));
}

/** What Dial() takes to call `number` (E.164) over `trunk`, as a call file made of the template would. Throws as `renderTemplate`. */
export function channelOf(template: Template, call: Pick<TemplateValues, 'number' | 'trunk'>): string {
  const directive = template.directives.find(({ key }) => key === 'Channel')!;
  // A channel that names more than number and trunk finds an empty text, which is refused.
  const none = { callerId: null, ringSeconds: 0, call: '', token: '', agi: '', reports: '' };
  return fill(directive, { ...none, ...call })[0]!.value;
}

function fill({ key, value }: Directive, values: TemplateValues): Directive[] {
  const names = placeholdersIn(value).filter(isPlaceholder);
  const filled = new Map<string, string | null>(
    names.map((name: PlaceholderName) => [name, textOf(name, values)]),
  );
  if ([...filled.values()].includes(null)) return [];
  return [{ key, value: value.replaceAll(PLACEHOLDER, (_match, name: string) => filled.get(name) ?? '') }];
}
