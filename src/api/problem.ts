import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import { CampanileError } from '../errors.js';
import { isProblemCode, PROBLEM_CODES, PROBLEMS, type ProblemCode } from '../problems.js';

/** A field of a request that is wrong: `/contacts/3/number` (RFC 6901) in a body, `?limit` in the query, `{name}` in the path. */
export interface FieldError {
  field: string;
  message: string;
}

const MOST_NAMED = 100;

/** The 422 that names every field that is wrong, the first 100; `count` is how many there are when `errors` has not all. */
export class FieldsInvalid extends CampanileError {
  readonly errors: readonly FieldError[];
  readonly count: number;

  constructor(errors: readonly FieldError[], count = errors.length) {
    const first = errors.slice(0, MOST_NAMED);
    const named = count > first.length ? `; the first ${first.length} are named` : '';
    super('fields_invalid', `${count} ${count === 1 ? 'field is' : 'fields are'} wrong${named}`);
    this.errors = first;
    this.count = count;
  }
}

/** The 404 of an id that is unknown, or of another tenant's: nobody can tell which. */
export function notFound(noun: string): CampanileError {
  return new CampanileError('not_found', `there is no ${noun} with this id`);
}

/** RFC 9457. `code` is stable and one of src/problems.ts; `errors` comes with `fields_invalid`. */
export const problem = z
  .strictObject({
    type: z
      .string()
      .meta({ description: 'The address of what is told about the code', example: '/docs/errors#not_found' }),
    title: z.string().meta({ description: 'What the status means' }),
    status: z.int(),
    detail: z.string().meta({ description: 'What could not be done and why, for a person' }),
    code: z.enum(PROBLEM_CODES).meta({ description: 'The same for the same problem, for a program' }),
    errors: z
      .array(z.strictObject({ field: z.string(), message: z.string() }))
      .optional()
      .meta({
        description:
          'Every field that is wrong, at most 100: a JSON pointer into the body, ?name in the query, {name} in the path',
      }),
    error_count: z.int().optional().meta({ description: 'How many fields are wrong' }),
  })
  .meta({ id: 'Problem' });
export type Problem = z.output<typeof problem>;

/** The problem document of a code. */
export function problemOf(code: ProblemCode, detail: string): Problem {
  const { status } = PROBLEMS[code];
  return { type: `/docs/errors#${code}`, title: STATUS_CODES[status] ?? 'Error', status, detail, code };
}

/**
 * The problem document of anything that was thrown: a CampanileError below 500 says what it is, an error of Koa that
 * is meant to be seen as well, a database that cannot be reached is a 503, and all else a 500 that tells nothing.
 */
export function problemOfError(error: unknown): Problem {
  if (error instanceof FieldsInvalid) {
    return {
      ...problemOf('fields_invalid', error.message),
      errors: [...error.errors],
      error_count: error.count,
    };
  }
  if (error instanceof CampanileError && isProblemCode(error.code))
    return problemOf(error.code, error.message);
  if (isExposed(error)) return problemOf('bad_request', error.message);
  if (isUnavailable(error)) {
    return problemOf('database_unavailable', 'the database cannot answer at the moment: try again later');
  }
  return problemOf('internal', 'something went wrong here; the log says what, under the request id');
}

function isExposed(error: unknown): error is Error & { status: number } {
  return (
    error instanceof Error &&
    'expose' in error &&
    error.expose === true &&
    'status' in error &&
    error.status === 400
  );
}

// PostgreSQL's SQLSTATEs for a statement or lock that took too long, too many connections and a server that stops or
// starts; then the system's for a server that is not there, or that nobody can tell the address of.
const UNAVAILABLE = [
  ...['57014', '55P03', '53300', '57P01', '57P02', '57P03'],
  ...[
    'ECONNREFUSED',
    'ECONNRESET',
    'EPIPE',
    'ETIMEDOUT',
    'EHOSTUNREACH',
    'ENETUNREACH',
    'ENOTFOUND',
    'EAI_AGAIN',
  ],
];

function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ('code' in error && UNAVAILABLE.includes(String(error.code))) return true;
  // pg gives these no code
  return /^(timeout exceeded when trying to connect|Connection terminated|Client has encountered a connection error)/.test(
    error.message,
  );
}
