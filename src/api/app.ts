import Router from '@koa/router';
import Koa, { type Context, type Next } from 'koa';
import { CampanileError } from '../errors.js';
import { newId } from '../ids.js';
import type { Logger } from '../log.js';
import type { Authenticate } from './authenticate.js';
import { mount } from './mount.js';
import { type Problem, problemOf, problemOfError } from './problem.js';
import type { Services } from './route.js';
import { routes } from './routes.js';

/** The Koa app: every request passes these in their order. `isStopping` makes answers close their connection. */
export function createApp(
  services: Services,
  authenticate: Authenticate,
  isStopping: () => boolean,
  trustProxy: number,
): Koa {
  const router = new Router();
  for (const route of routes) mount(router, route, services, authenticate);

  // Of X-Forwarded-For, which anybody can send, only what our own proxies appended is believed.
  const app = new Koa({ proxy: trustProxy > 0, maxIpsCount: trustProxy });
  app.on('error', (err: Error) => {
    if (isGone(err)) services.log.debug({ err }, 'a client went away');
    else services.log.error({ err }, 'cannot answer a request');
  });
  app.use(answer(services.log, isStopping));
  app.use(router.routes());
  app.use(router.allowedMethods());
  return app;
}

function isGone(error: Error): boolean {
  return 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
}

/** Gives the request an id, and turns what went wrong into a problem document, whoever noticed it. */
function answer(log: Logger, isStopping: () => boolean) {
  return async (ctx: Context, next: Next) => {
    const requestId = newId();
    const started = performance.now();
    ctx.set('X-Request-Id', requestId);
    ctx.set('X-Content-Type-Options', 'nosniff');
    ctx.set('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'");
    ctx.set('Cache-Control', 'no-store');
    const about = () => ({
      request_id: requestId,
      tenant: ctx.state.tenant,
      method: ctx.method,
      path: loggedPath(ctx.path),
    });
    try {
      await next();
      if (ctx.status >= 400 && ctx.body == null) sendProblem(ctx, missing(ctx));
    } catch (err) {
      const problem = problemOfError(err);
      if (problem.status >= 500) log.error({ ...about(), err }, 'a request failed');
      if (err instanceof CampanileError && err.retryAfterSeconds !== null) {
        ctx.set('Retry-After', String(err.retryAfterSeconds));
      }
      sendProblem(ctx, problem);
    }
    if (isStopping()) ctx.set('Connection', 'close');
    const ms = Math.round(performance.now() - started);
    log.debug({ ...about(), status: ctx.status, ms }, 'request');
  };
}

/** Ids and words of a path. Anything else in it may be somebody's number, or a key that was sent to the wrong place. */
function loggedPath(path: string): string {
  const isTellable = (part: string) =>
    /^(v\d|[a-z_.-]{0,40}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.test(part);
  return path
    .split('/')
    .map((part) => (isTellable(part) ? part : '...'))
    .join('/');
}

function sendProblem(ctx: Context, problem: Problem): void {
  ctx.status = problem.status;
  if (problem.status === 408) ctx.set('Connection', 'close');
  if (problem.status === 401) ctx.set('WWW-Authenticate', challenge(problem));
  ctx.body = JSON.stringify(problem);
  ctx.type = 'application/problem+json';
}

/** RFC 6750 section 3: nothing about an error when there was no token at all. */
function challenge({ code, detail }: Problem): string {
  const realm = 'Bearer realm="campanile"';
  return code === 'token_missing' ? realm : `${realm}, error="invalid_token", error_description="${detail}"`;
}

/** The problem of a request that no route took; the router has set the status and `Allow`. */
function missing(ctx: Context): Problem {
  if (ctx.status === 405) {
    return problemOf(
      'method_not_allowed',
      `${ctx.path} takes ${ctx.response.get('Allow')}, not ${ctx.method}`,
    );
  }
  if (ctx.status === 501) return problemOf('method_unknown', `there is no method ${ctx.method}`);
  return problemOf('not_found', `there is nothing at ${ctx.path}; /docs lists what there is`);
}
