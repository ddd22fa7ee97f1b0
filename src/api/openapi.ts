import { STATUS_CODES } from 'node:http';
import { OpenAPIRegistry, OpenApiGeneratorV31 } from '@asteasolutions/zod-to-openapi';
import { z } from 'zod';
import { PROBLEMS, type ProblemCode } from '../problems.js';
import { problem } from './problem.js';
import { binary, creates, type Route } from './route.js';
import { problemCodesOf } from './route-problems.js';

const INTRODUCTION = `Outbound voice campaigns on Asterisk.

Every request but those for the documentation, \`/healthz\` and \`/readyz\` carries a token, \`Authorization: Bearer ...\`, which
\`campanile token\` issues for a tenant, a viewer of a tenant, who may only read, or an admin. An admin names the tenant
to act for with \`?tenant_id=\`. An installation may take the tokens of an outside issuer as well, with the same claims
\`role\` and \`tenant_id\`. A tenant's machines send an API key in the same place, from \`POST /v1/api-keys\`.

A tenant has a number of requests a minute; \`RateLimit\` says how many are left of them, and beyond it the answer is 429
with \`Retry-After\`.

Lists come in pages: give \`next\` as \`after\` to get the one that follows. Times are UTC (RFC 3339), phone numbers
E.164, ids UUIDs. \`GET /v1/events\` tells what happens as it happens, and webhooks have it sent. What goes wrong is told by a problem document (RFC 9457) with a stable \`code\`; a 422 names every
field that is wrong, and [all codes](docs/errors) are listed. The id of another tenant's object is as unknown as one that never
was.

Every POST that creates something takes an \`Idempotency-Key\`: send a new UUID with each thing to be done, and the same one
again whenever you do not know what became of the request. It is done once. A repeat within 24 hours gets the answer of the
first, with \`Idempotent-Replayed: true\`; while that is under way 409, and with another request 422. What was refused may
be mended and sent with the same key. Uploads are compared by their bytes, imports, which are streams, by type and length;
a repeat of an import shows the job as it ended.`;

const idempotencyKey = z.object({
  'Idempotency-Key': z.string().min(1).max(255).optional().meta({
    description:
      'A name for what is to be done, such as a UUID: within 24 hours it is done once, however often the request comes',
  }),
});

const replayed = z.object({
  'Idempotent-Replayed': z.literal('true').optional().meta({
    description: 'Nothing was done: this is the answer of the first request with this Idempotency-Key',
  }),
});

/** The OpenAPI 3.1 document of `routes`, as an object that is ready for JSON. */
export function openApiDocument(routes: readonly Route[]) {
  const registry = new OpenAPIRegistry();
  registry.registerComponent('securitySchemes', 'token', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'A token, or an API key: cmp_...',
  });
  for (const route of routes) {
    const path = pathOf(route);
    tellOptional(path);
    registry.registerPath(path);
  }
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: { title: 'Campanile', version: '1', description: INTRODUCTION },
    servers: [{ url: '/' }],
  });
}

/**
 * The generator takes a member for required whose schema does not take undefined. That of `exactOptional()` does not, and may
 * be left out all the same: JSON has no undefined. Nothing else asks such a schema itself.
 */
function tellOptional(part: unknown, seen = new Set<unknown>()): void {
  if (typeof part !== 'object' || part === null || seen.has(part)) return;
  seen.add(part);
  if (part instanceof z.ZodExactOptional) {
    const { safeParse } = part;
    part.safeParse = (value, params) =>
      value === undefined ? { success: true, data: value } : safeParse(value, params);
  }
  const inner = part instanceof z.ZodType ? part.def : part;
  for (const each of Object.values(inner)) tellOptional(each, seen);
}

function pathOf(route: Route): Parameters<OpenAPIRegistry['registerPath']>[0] {
  const [, parameter] = /\{(\w+)\}/.exec(route.path) ?? [];
  const content =
    route.upload?.content ?? route.stream ?? (route.body ? { 'application/json': route.body } : undefined);
  return {
    method: route.method,
    path: route.path,
    summary: route.summary,
    tags: [tagOf(route.path)],
    ...(route.access === 'public' ? {} : { security: [{ token: [] }] }),
    request: {
      ...(parameter === undefined ? {} : { params: z.object({ [parameter]: route.param }) }),
      query: route.query,
      ...(creates(route) ? { headers: idempotencyKey } : {}),
      ...(content === undefined
        ? {}
        : { body: { required: true, content: mapValues(content, (schema) => ({ schema })) } }),
    },
    responses: {
      [route.status]: {
        description: STATUS_CODES[route.status] ?? '',
        ...answerOf(route),
        ...(creates(route) ? { headers: replayed } : {}),
      },
      ...(route.ranges ? { 206: { description: STATUS_CODES[206] ?? '', ...answerOf(route) } } : {}),
      ...mapValues(byStatus(problemCodesOf(route)), problemAnswer),
    },
  };
}

/** What a problem of one status may be: its codes, and when each happens. */
function problemAnswer(codes: readonly ProblemCode[]) {
  return {
    description: codes.map((code) => `\`${code}\`: ${PROBLEMS[code].when}`).join('  \n'),
    content: {
      'application/problem+json': { schema: z.intersection(problem, z.object({ code: z.enum(codes) })) },
    },
  };
}

function answerOf({ answer }: Route) {
  if (answer === null) return {};
  if (typeof answer === 'string') return { content: { [answer]: { schema: binary } } };
  if (answer instanceof z.ZodType) return { content: { 'application/json': { schema: answer } } };
  return { content: mapValues(answer, (schema) => ({ schema })) };
}

function tagOf(path: string): string {
  return (
    /^\/v1\/([\w-]+)(?:\/\{id\}\/(contacts|imports|attempts|report))?/
      .exec(path)
      ?.slice(1)
      .findLast(Boolean) ?? 'installation'
  );
}

function byStatus(codes: readonly ProblemCode[]): Record<string, ProblemCode[]> {
  const statuses = [...new Set(codes.map((code) => PROBLEMS[code].status))].sort((a, b) => a - b);
  return Object.fromEntries(
    statuses.map((status) => [status, codes.filter((code) => PROBLEMS[code].status === status)]),
  );
}

function mapValues<T, R>(record: Readonly<Record<string, T>>, map: (value: T) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
