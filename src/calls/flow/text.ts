/** Values that texts may name. */
export type Values = Record<string, string>;

/** The text with its fields `{name}` or `{name|default}` filled in, `missing` where there is neither value nor default. */
export function fillText(
  text: string,
  values: Values,
  options: { language: string; missing: string },
): string {
  return text.replace(/\{([^{}|]+)(?:\|([^{}]*))?\}/g, (_, name: string, otherwise: string | undefined) =>
    Object.hasOwn(values, name) ? values[name]! : (otherwise ?? options.missing),
  );
}
