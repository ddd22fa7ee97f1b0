import type { z } from 'zod';
import type { FieldError } from './problem.js';

type Issue = z.core.$ZodIssue;

const sentences: z.core.$ZodErrorMap = (issue) => {
  if (issue.code === 'invalid_type' && issue.input === undefined) return 'is required';
  if (issue.code === 'unrecognized_keys') return 'is not known';
  return undefined;
};

// Zod makes { ...context, async: false } of it for each value, which in Node 20 costs a hidden class (a microsecond, and memory
// until the next full collection) unless the property is there already.
const context = { error: sentences, async: false };

/**
 * Checks `value` and returns what the schema makes of it. Undefined when it does not fit: then a FieldError for every
 * field that is wrong was added to `errors`, named by `nameOf`, which takes the path to it.
 */
export function check<S extends z.ZodType>(
  schema: S,
  value: unknown,
  errors: FieldError[],
  nameOf: (path: readonly PropertyKey[]) => string,
): z.output<S> | undefined {
  const checked = schema.safeParse(value, context);
  if (checked.success) return checked.data;
  errors.push(...checked.error.issues.flatMap((issue) => fieldErrors(issue, nameOf)));
  return undefined;
}

/** The JSON pointer (RFC 6901) to a field; the whole document is `/`, where the RFC has nothing to see. */
export function pointer(path: readonly PropertyKey[]): string {
  return `/${path.map(escapeKey).join('/')}`;
}

/** One step of a JSON pointer. */
export function escapeKey(key: PropertyKey): string {
  return String(key).replaceAll('~', '~0').replaceAll('/', '~1');
}

function fieldErrors(issue: Issue, nameOf: (path: readonly PropertyKey[]) => string): FieldError[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ field: nameOf([...issue.path, key]), message: issue.message }));
  }
  const message = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
  return [{ field: nameOf(issue.path), message }];
}
