import { STATUS_CODES } from 'node:http';
import { OpenAPIRegistry, OpenApiGeneratorV31 } from '@asteasolutions/zod-to-openapi';
import { z } from 'zod';
import { problem } from './problem.js';
import { binary, isTenantRoute, type Route } from './route.js';

const INTRODUCTION = `Outbound voice campaigns on Asterisk.

Every request but those for the documentation and \`/healthz\` carries a token, \`Authorization: Bearer ...\`, which
\`campanile token\` issues for a tenant, a viewer of a tenant, who may only read, or an admin. An admin names the tenant
to act for with \`?tenant_id=\`. An installation may take the tokens of an outside issuer as well, with the same claims
\`role\` and \`tenant_id\`. A tenant's machines send an API key in the same place, from \`POST /v1/api-keys\`.

A tenant has a number of requests a minute; \`RateLimit\` says how many are left of them, and beyond it the answer is 429
with \`Retry-After\`.

Lists come in pages: give \`next\` as \`after\` to get the one that follows. Times are UTC (RFC 3339), phone numbers
E.164, ids UUIDs. What goes wrong is told by a problem document (RFC 9457) with a stable \`code\`; a 422 names every
field that is wrong. The id of another tenant's object is as unknown as one that never was.`;

/** The OpenAPI 3.1 document of `routes`, as an object that is ready for JSON. */
export function openApiDocument(routes: readonly Route[]) {
  const registry = new OpenAPIRegistry();
  registry.registerComponent('securitySchemes', 'token', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'A token, or an API key: cmp_...',
  });
  for (const route of routes) registry.registerPath(pathOf(route));
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: { title: 'Campanile', version: '1', description: INTRODUCTION },
    servers: [{ url: '/' }],
  });
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
      ...(content === undefined
        ? {}
        : { body: { required: true, content: mapValues(content, (schema) => ({ schema })) } }),
    },
    responses: {
      [route.status]: { description: STATUS_CODES[route.status] ?? '', ...answerOf(route) },
      ...Object.fromEntries(problemsOf(route).map((status) => [status, problemAnswer(status)])),
    },
  };
}

/** The statuses of the problems that a route may answer with. */
function problemsOf(route: Route): number[] {
  const guarded = route.access !== 'public';
  const isLimited = route.body !== null || route.upload !== null;
  const takesBody = isLimited || route.stream !== null;
  const statuses = [
    ...(takesBody ? [400, 415] : []),
    ...(isLimited ? [413] : []),
    ...(guarded ? [401, 403, 429, 503] : []),
    ...(route.path.includes('{id}') ? [404] : []),
    ...(takesBody || isTenantRoute(route) || Object.keys(route.query.shape).length > 0 ? [422] : []),
    ...route.problems,
  ];
  return [...new Set(statuses)].sort((a, b) => a - b);
}

const MEANINGS: Record<number, string> = {
  400: 'The body cannot be read',
  401: 'There is no token, or it is not good',
  403: 'The token does not allow this',
  404: 'There is nothing with this id',
  408: 'Nothing came for too long',
  409: 'The state of things does not allow this',
  413: 'The body is too large',
  415: 'The content type is not one of those',
  422: 'Fields are wrong, and named',
  426: 'The request came in HTTP/1.0, in which nobody sees that an answer broke off',
  429: 'Too many requests, or too much of this at once, or bad tokens from the address: Retry-After says when to go on',
  503: 'The database or an outside issuer does not answer, or too much of this is under way here',
};

function problemAnswer(status: number) {
  return {
    description: MEANINGS[status] ?? 'A problem',
    content: { 'application/problem+json': { schema: problem } },
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

function mapValues<T, R>(record: Readonly<Record<string, T>>, map: (value: T) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
