import { isIP, isIPv6 } from 'node:net';
import type { Context } from 'koa';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import type { Tenant } from '../db/tenants.js';
import { CampanileError } from '../errors.js';

/** Who asks too often is told when to come back. Counted in this process: each of several counts on its own. */
export interface RateLimits {
  /** Counts a request of a tenant and tells it where it stands. Rejects with `rate_limited` (429) beyond its limit. */
  countRequest(ctx: Context, tenant: Tenant): Promise<void>;
  /** Rejects with `too_many_bad_tokens` (429) while so many came from the request's address. */
  refuseGuesser(ctx: Context): Promise<void>;
  /** Counts a bad token against the request's address. */
  countBadToken(ctx: Context): Promise<void>;
}

const WINDOW_SECONDS = 60;
const BAD_TOKENS = 100;

/** Windows of a minute, which begin with the first request. */
export function createRateLimits(): RateLimits {
  // The library only counts here: a limit of its own would be the same for all tenants.
  const requests = new RateLimiterMemory({ points: 0, duration: WINDOW_SECONDS });
  const badTokens = new RateLimiterMemory({ points: BAD_TOKENS, duration: WINDOW_SECONDS });
  return {
    async countRequest(ctx, { id, requests_per_minute: limit }) {
      if (limit === null) return;
      const { consumedPoints, msBeforeNext } = await requests.penalty(id);
      const seconds = secondsOf(msBeforeNext);
      // draft-ietf-httpapi-ratelimit-headers-10: quota and window, then what remains of it and for how long.
      ctx.set('RateLimit-Policy', `"tenant";q=${limit};w=${WINDOW_SECONDS}`);
      ctx.set('RateLimit', `"tenant";r=${Math.max(limit - consumedPoints, 0)};t=${seconds}`);
      if (consumedPoints <= limit) return;
      const message = `the tenant may send ${limit} requests a minute: go on in ${seconds} s`;
      throw new CampanileError('rate_limited', message, { retryAfterSeconds: seconds });
    },

    async refuseGuesser(ctx) {
      const found = await badTokens.get(addressOf(ctx));
      if (found === null || found.consumedPoints < BAD_TOKENS || found.msBeforeNext <= 0) return;
      const seconds = secondsOf(found.msBeforeNext);
      const message = `too many bad tokens came from this address: go on in ${seconds} s`;
      throw new CampanileError('too_many_bad_tokens', message, { retryAfterSeconds: seconds });
    },

    async countBadToken(ctx) {
      await badTokens.penalty(addressOf(ctx));
    },
  };
}

function secondsOf(ms: number): number {
  return Math.max(Math.ceil(ms / 1000), 1);
}

/** Whom to count against: an IPv4 address, or the /64 of an IPv6 one, because a single machine has all of that. */
function addressOf(ctx: Context): string {
  const ip = isIP(ctx.ip) ? ctx.ip : (ctx.socket.remoteAddress ?? '');
  if (!isIPv6(ip) || ip.toLowerCase().startsWith('::ffff:')) return ip;
  const [head = '', tail = ''] = ip.toLowerCase().split('::');
  const groups = (text: string) => text.split(':').filter((group) => group !== '');
  const missing = 8 - groups(head).length - groups(tail).length;
  const all = [...groups(head), ...Array<string>(Math.max(missing, 0)).fill('0'), ...groups(tail)];
  return all.slice(0, 4).join(':');
}
