/** The fields that a text names: `{name}`, `{name:format}`, each with `|default` or without. */
export function fieldsOf(text: string): { name: string; hasDefault: boolean }[] {
  return [...text.matchAll(/\{([^{}|:]+)(?::[^{}|]*)?(\|[^{}]*)?\}/g)].map(([, name, otherwise]) => ({
    name: name!,
    hasDefault: otherwise !== undefined,
  }));
}
