import type { IncomingMessage } from 'node:http';
import type { Context } from 'koa';
import { z } from 'zod';
import type { InstallationFacts } from '../db/campaign-facts.js';
import type { Converted } from '../db/messages.js';
import type { Pool, TenantDatabase } from '../db/pool.js';
import type { Tenant } from '../db/tenants.js';
import type { Logger } from '../log.js';
import type { HashNumber } from '../number-hash.js';
import type { ProblemCode } from '../problems.js';
import type { SecretSeal } from '../seal.js';
import type { Change, Recording } from './change.js';
import type { Streams } from './events/streams.js';
import type { Idempotency } from './idempotency.js';
import type { Imports } from './imports/imports.js';
import type { RateLimits } from './rate-limits.js';
import { uuid } from './schemas/common.js';
import type { ApiSpeech } from './speech.js';
import type { Principal } from './token.js';

/**
 * Who may call a route: anybody; whoever has a token; an admin; a tenant, or an admin who names one; the same, where the admin
 * may do more than the tenant; or only an admin who names a tenant.
 */
export type Access = 'public' | 'token' | 'admin' | 'tenant' | 'tenant_or_admin' | 'admin_for_tenant';

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** What routes work with. */
export interface Services {
  pool: Pool;
  /** What exports read over: each holds a connection for as long as its reader takes. */
  exportPool: Pool;
  log: Logger;
  imports: Imports;
  streams: Streams;
  limits: RateLimits;
  /** What a tenant may learn of the whole installation: see there. */
  installation(pbxTrunks: readonly string[], test: boolean): Promise<InstallationFacts>;
  /** What requests need, and whether it is there: docs/monitoring.md. */
  ready(): Promise<readonly { name: string; ready: boolean; problem: string | null }[]>;
  /** Whether a call-file template of that name exists; without it any name is believed. */
  hasTemplate?: ((name: string) => boolean | Promise<boolean>) | undefined;
  /** Makes what Asterisk plays of uploaded audio: src/messages/convert.ts. */
  convertAudio(upload: Buffer): Promise<Converted>;
  /** For the numbers of erased persons. */
  hashNumber: HashNumber;
  idempotency: Idempotency;
  /** For the passwords of SIP accounts. */
  passwords: SecretSeal;
  /** Whether a SIP account may be at an address that is not of the internet. */
  allowPrivateHosts: boolean;
  speech: ApiSpeech;
  webhooks: {
    secrets: SecretSeal;
    /** Whether a webhook may be at an address that is not of the internet, and take plain HTTP. */
    allowPrivateHosts: boolean;
  };
}

/** Schemas by content type, as OpenAPI shows them. */
export type Content = Readonly<Record<string, z.ZodType>>;

/** A body that the route reads itself: the content types it takes, and the most bytes. */
export interface Upload {
  content: Content;
  limit: number;
}

/** What a route works on once the request was checked. */
export type Call<A extends Access, Q extends z.ZodObject, B extends z.ZodType> = Omit<
  Services,
  'pool' | 'idempotency'
> & {
  ctx: Context;
  /** What stands in the path's braces, or empty. */
  id: string;
  query: z.output<Q>;
  body: z.output<B>;
  upload: { type: string; bytes: Buffer };
  stream: { type: string; body: IncomingMessage };
  /** How every route but those of GET does what it is for, once. */
  change: Change;
  /** For what cannot be done in one transaction that begins and ends with the request. */
  recording: Recording;
  /** Throws when the request would be refused now: for answers that take long. */
  recheck(): Promise<void>;
} & (A extends 'public' ? unknown : { principal: Principal }) &
  (A extends 'tenant' | 'tenant_or_admin' | 'admin_for_tenant' ? { tenant: Tenant } : unknown) &
  // What a tenant may ask for sees that tenant's rows only.
  (A extends 'tenant'
    ? { db: TenantDatabase }
    : A extends 'tenant_or_admin'
      ? { db: TenantDatabase | Pool }
      : { pool: Pool });

/** What a route returns: its answer, where a Date may stand for a time. */
export type Answer<T> = T extends string
  ? T | Date
  : T extends readonly (infer E)[]
    ? readonly Answer<E>[]
    : T extends object
      ? { [K in keyof T]: Answer<T[K]> }
      : T;

interface Spec<A extends Access, Q extends z.ZodObject, B extends z.ZodType, S extends z.ZodType> {
  method: Method;
  /** OpenAPI's form: `/v1/campaigns/{id}`. */
  path: string;
  access: A;
  /** One line for the documentation. */
  summary: string;
  /** Said to a tenant whom an admin's route refuses. */
  refusal?: string;
  /** Said to an API key that the route refuses; without it a key may do what its role may. */
  keyRefusal?: string;
  /** Of what stands in braces; a UUID, which is a 404 when it is none. */
  param?: z.ZodType<string>;
  query?: Q;
  body?: B;
  upload?: Upload;
  /** A body of any length that the route reads as it comes: the content types it takes. */
  stream?: Content;
  status?: 200 | 201 | 202 | 204;
  /** Where to find what was made, with `{id}` for the id in the answer; without it, below the route's own path. */
  location?: string;
  /** JSON, or one or several media types, of which the route writes one to `ctx` itself; or null for none, which is a 204. */
  answer: S | string | Content | null;
  /** A range of its bytes may be asked for: src/api/range.ts. */
  ranges?: boolean;
  /** The codes of its own: src/api/route-problems.ts has those that follow from the rest. */
  problems?: readonly ProblemCode[];
  handle(call: Call<A, Q, B>): Promise<Answer<z.output<S>> | undefined>;
}

/** A route: guard (`access`), query and body, all checked before `handle` runs, and the answer. */
export interface Route {
  readonly method: Method;
  readonly path: string;
  readonly access: Access;
  readonly summary: string;
  readonly refusal: string;
  readonly keyRefusal: string | null;
  readonly param: z.ZodType<string>;
  readonly query: z.ZodObject;
  readonly body: z.ZodType | null;
  readonly upload: Upload | null;
  readonly stream: Content | null;
  readonly status: 200 | 201 | 202 | 204;
  readonly location: string | null;
  readonly answer: z.ZodType | string | Content | null;
  readonly ranges: boolean;
  readonly problems: readonly ProblemCode[];
  handle(call: Call<'tenant', z.ZodObject, z.ZodType>): Promise<unknown>;
}

/** The schema of bytes. */
export const binary = z.string().meta({ format: 'binary' });

const JSON_LIMIT = 256 * 1024;

/** The most bytes a body may have. */
export function bodyLimit(route: Route): number {
  return route.upload?.limit ?? JSON_LIMIT;
}

/** Whether the route works on one tenant's data. */
export function isTenantRoute({ access }: Pick<Route, 'access'>): boolean {
  return access === 'tenant' || access === 'tenant_or_admin' || access === 'admin_for_tenant';
}

/** Whether the route takes an Idempotency-Key: a repeat of what creates nothing does no harm. */
export function creates({ method, status }: Pick<Route, 'method' | 'status'>): boolean {
  return method === 'post' && status === 201;
}

/** Describes a route; types of query, body and answer follow from the schemas. Tenant routes take `?tenant_id=` too. */
export function route<
  A extends Access,
  S extends z.ZodType,
  Q extends z.ZodObject = z.ZodObject<Record<never, never>>,
  B extends z.ZodType = z.ZodUndefined,
>(spec: Spec<A, Q, B, S>): Route {
  const query: z.ZodObject = spec.query ?? z.strictObject({});
  return {
    method: spec.method,
    path: spec.path,
    access: spec.access,
    summary: spec.summary,
    refusal: spec.refusal ?? 'only an admin may do this',
    keyRefusal: spec.keyRefusal ?? null,
    param: spec.param ?? uuid,
    query: isTenantRoute(spec) ? query.extend({ tenant_id: tenantParameter }) : query,
    body: spec.body ?? null,
    upload: spec.upload ?? null,
    stream: spec.stream ?? null,
    status: spec.status ?? 200,
    location: spec.location ?? null,
    answer: spec.answer,
    ranges: spec.ranges ?? false,
    problems: spec.problems ?? [],
    // mount() gives the handler exactly what the spec's access and schemas promise.
    handle: spec.handle as unknown as Route['handle'],
  };
}

const tenantParameter = uuid
  .optional()
  .meta({ description: 'The tenant that an admin acts for; of no use with a token of a tenant' });
