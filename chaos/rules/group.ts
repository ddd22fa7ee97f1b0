/** How much later than a fault something may show that it caused. */
export const AFTERMATH_MS = 2000;

/** The elements by what `keyOf` gives for each, in their order. */
export function group<T>(elements: readonly T[], keyOf: (element: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const element of elements) {
    const key = keyOf(element);
    const same = groups.get(key);
    if (same) same.push(element);
    else groups.set(key, [element]);
  }
  return groups;
}

/** A time in milliseconds since 1970, as one reads it. */
export function iso(ms: number): string {
  return new Date(ms).toISOString();
}
