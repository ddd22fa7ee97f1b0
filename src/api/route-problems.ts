import { PROBLEM_CODES, type ProblemCode } from '../problems.js';
import { creates, type Route } from './route.js';

/** Every code that an answer of the route may have, in the order of the table. */
export function problemCodesOf(route: Route): ProblemCode[] {
  const codes = new Set<ProblemCode>([
    'bad_request',
    'internal',
    'request_timeout',
    // A query that is not known is wrong.
    'fields_invalid',
    ...guardProblems(route),
    ...bodyProblems(route),
    ...(route.path.includes('{id}') ? (['not_found'] as const) : []),
    ...(creates(route)
      ? (['idempotency_key_invalid', 'idempotency_key_in_use', 'idempotency_key_reused'] as const)
      : []),
    ...(route.ranges ? (['range_not_satisfiable'] as const) : []),
    ...route.problems,
  ]);
  return PROBLEM_CODES.filter((code) => codes.has(code));
}

function guardProblems({ access, method }: Route): readonly ProblemCode[] {
  if (access === 'public') return [];
  return [
    'token_missing',
    'token_invalid',
    'forbidden',
    ...(method === 'get' ? [] : (['read_only'] as const)),
    'tenant_suspended',
    'tenant_deleting',
    'rate_limited',
    'too_many_bad_tokens',
    'issuer_unavailable',
    'database_unavailable',
  ];
}

function bodyProblems({ body, upload, stream }: Route): readonly ProblemCode[] {
  if (!body && !upload && !stream) return [];
  const whole = stream ? [] : (['json_invalid', 'body_too_large'] as const);
  return ['body_cut_off', 'not_utf8', 'content_type_unsupported', ...whole];
}
