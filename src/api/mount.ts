import type Router from '@koa/router';
import type { Context } from 'koa';
import { asTenant, type Tx } from '../db/pool.js';
import { CampanileError } from '../errors.js';
import { writeAudit } from './audit.js';
import type { Authenticate } from './authenticate.js';
import { checkType, parseJson, readBody } from './body.js';
import { createChanges } from './change.js';
import { check, pointer } from './check.js';
import { authorize, findCountedTenant, findTenantOf, refuseDeleting } from './guard.js';
import { ANY_TIMES, Repeated } from './idempotency.js';
import { type FieldError, FieldsInvalid } from './problem.js';
import { bodyLimit, creates, isTenantRoute, type Route, type Services } from './route.js';

const NO_BYTES = new Uint8Array();

/** Adds a route to the router: guard, path, query, tenant, body, then its own work. */
export function mount(router: Router, route: Route, services: Services, authenticate: Authenticate): void {
  router[route.method](route.path.replace(/\{(\w+)\}/g, ':$1'), async (ctx) => {
    const call = await callOf(ctx, ctx.params, route, services, authenticate);
    try {
      respond(
        ctx,
        route,
        await (route.method === 'get' ? route.handle(call) : change(route, call, services)),
      );
    } catch (error) {
      if (!(error instanceof Repeated)) throw error;
      respond(ctx, route, error.answer);
      ctx.set('Idempotent-Replayed', 'true');
    }
  });
}

type AnyCall = Parameters<Route['handle']>[0];

async function change(route: Route, call: AnyCall, services: Services): Promise<unknown> {
  const tenantId = call.tenant?.id ?? null;
  const db = 'db' in call ? call.db : services.pool;
  const { ctx, upload, stream } = call;
  const once = creates(route)
    ? services.idempotency.onceOf(ctx, tenantId, stream ? undefined : (upload?.bytes ?? NO_BYTES))
    : ANY_TIMES;
  // Before the route looks at how things are: since the first time they may have changed.
  await once.check(db);
  const audit = (tx: Tx, answer: unknown) => writeAudit(tx, { ...call, route, tenantId, answer });
  const changes = createChanges(db, once, audit);
  const answer = await route.handle({ ...call, change: changes.change, recording: changes.recording });
  if (!changes.wereMade()) throw new Error(`${route.method} ${route.path} made no change`);
  return answer;
}

function respond(ctx: Context, route: Route, answer: unknown): void {
  if (route.status === 204) ctx.status = 204;
  if (answer === undefined) return;
  ctx.status = route.status;
  ctx.body = answer;
  if (route.status === 201 && hasId(answer))
    ctx.set('Location', (route.location ?? `${ctx.path}/{id}`).replace('{id}', answer.id));
}

async function callOf(
  ctx: Context,
  params: Record<string, string>,
  route: Route,
  services: Services,
  authenticate: Authenticate,
): Promise<AnyCall> {
  const principal = route.access === 'public' ? undefined : await authenticate(ctx);
  if (principal) authorize(route, principal);

  const errors: FieldError[] = [];
  const id = pathParameter(route, params, errors);
  const query = check(route.query, { ...ctx.query }, errors, (path) => `?${path.join('.')}`);
  // With a query that is wrong there is no knowing which tenant was meant.
  const named = typeof query?.tenant_id === 'string' ? query.tenant_id : undefined;
  const tenant =
    principal && query && isTenantRoute(route)
      ? await findTenantOf(services.pool, principal, named, errors)
      : undefined;
  if (tenant && route.method !== 'get') refuseDeleting(tenant);
  ctx.state.tenant = tenant?.id;
  const counted = tenant ?? (principal && (await findCountedTenant(services.pool, principal)));
  if (counted) await services.limits.countRequest(ctx, counted);

  const content = contentTypes(route);
  const upload = content && (await readBody(ctx, content, bodyLimit(route)));
  const stream = route.stream && { type: checkType(ctx, Object.keys(route.stream)), body: ctx.req };
  const body = route.body && upload ? check(route.body, parseJson(upload.bytes), errors, pointer) : undefined;
  if (errors.length > 0) throw new FieldsInvalid(errors);
  // Present as the route's access and schemas say: route() holds handlers to that.
  const { pool, idempotency, ...others } = services;
  const own =
    tenant &&
    (principal?.role === 'admin' && route.access === 'tenant_or_admin' ? pool : asTenant(pool, tenant.id));
  const database = route.access === 'tenant' || route.access === 'tenant_or_admin' ? { db: own } : { pool };
  const recheck = async () => {
    const still = await authenticate(ctx);
    authorize(route, still);
    if (!(await findTenantOf(services.pool, still, named, []))) throw new Error('the tenant is gone');
  };
  const call = { ...others, ...database, ctx, principal, tenant, id, query, body, upload, stream, recheck };
  return call as unknown as AnyCall;
}

/** What stands in the path's braces. An id that is none names nothing: 404 like any unknown one. */
function pathParameter(route: Route, params: Record<string, string>, errors: FieldError[]): string {
  const [name, value] = Object.entries(params)[0] ?? [];
  if (name === undefined) return '';
  const checked = check(route.param, value, errors, () => `{${name}}`);
  if (checked !== undefined) return checked;
  if (name === 'id') throw new CampanileError('not_found', 'there is nothing with this id');
  return '';
}

function contentTypes(route: Route): string[] | null {
  if (route.upload) return Object.keys(route.upload.content);
  return route.body ? ['application/json'] : null;
}

function hasId(answer: unknown): answer is { id: string } {
  return typeof answer === 'object' && answer !== null && 'id' in answer && typeof answer.id === 'string';
}
