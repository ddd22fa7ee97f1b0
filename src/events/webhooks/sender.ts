import { type Pool, transaction } from '../../db/pool.js';
import {
  claimDeliveries,
  type DueDelivery,
  finishAttempt,
  type Outcome,
} from '../../db/webhook-deliveries.js';
import { messageOf } from '../../errors.js';
import type { Logger } from '../../log.js';
import { createLoop, type Loop } from '../../loop.js';
import type { SecretSeal } from '../../seal.js';
import { BACKOFF_SECONDS, nextAttemptIn, parseRetryAfter } from './backoff.js';
import type { Resolve } from './lookup.js';
import { type Posted, post } from './post.js';
import { signedHeaders } from './sign.js';

/** Sends what is due of webhook deliveries. */
export type Sender = Loop;

export interface SenderOptions {
  pool: Pool;
  secrets: SecretSeal;
  /** Whether webhooks may be at addresses that are not of the internet, and take plain HTTP. */
  allowPrivateHosts: boolean;
  log: Logger;
  /** Seconds before the second attempt, the third, and so on. */
  schedule?: readonly number[];
  timeoutMs?: number;
  /** For so long nobody else sends what this process is sending; more than an attempt may take. */
  leaseSeconds?: number;
  resolve?: Resolve;
}

const SWEEP_MS = 1000;
const TIMEOUT_MS = 15_000;
const LEASE_SECONDS = 60;
/** Sent at once by this process, and to one webhook: one that does not answer holds up no other. */
const MOST = 50;
const MOST_PER_WEBHOOK = 5;

/** Any number of processes may send at once: each delivery is claimed by one. What a process dies over, another sends again. */
export function createSender(options: SenderOptions): Sender {
  const { pool, log, leaseSeconds = LEASE_SECONDS } = options;
  const underWay = new Map<string, number>();
  const sending = new Set<Promise<void>>();
  const loop = createLoop({ name: 'send webhooks', everyMs: SWEEP_MS, pass, log });

  async function pass(): Promise<boolean> {
    const free = MOST - sending.size;
    if (free === 0) return false;
    const due = await claimDeliveries(pool, free, MOST_PER_WEBHOOK, underWay, leaseSeconds);
    for (const delivery of due) {
      count(delivery.webhook_id, 1);
      const sent: Promise<void> = deliver(delivery).finally(() => {
        sending.delete(sent);
        count(delivery.webhook_id, -1);
        loop.wake();
      });
      sending.add(sent);
    }
    return due.length === free;
  }

  function count(webhookId: string, change: 1 | -1): void {
    const n = (underWay.get(webhookId) ?? 0) + change;
    if (n > 0) underWay.set(webhookId, n);
    else underWay.delete(webhookId);
  }

  async function deliver(delivery: DueDelivery): Promise<void> {
    try {
      const outcome = await attempt(delivery, options).catch((error) => giveUp(error, delivery.attempts));
      await transaction(pool, (tx) => finishAttempt(tx, delivery, outcome));
    } catch (error) {
      // It is sent again when its lease has run out.
      log.error(
        { err: error, tenant: delivery.tenant_id, webhook: delivery.webhook_id, delivery: delivery.id },
        'cannot write down what came of a webhook delivery',
      );
    }
  }

  return {
    ...loop,
    async stop() {
      await loop.stop();
      await Promise.all(sending);
    },
  };
}

/** Nothing was sent: the secret cannot be read. It may be made anew before the next attempt. */
function giveUp(error: unknown, attempts: number): Outcome {
  const retryInSeconds = nextAttemptIn(attempts, BACKOFF_SECONDS, null, Math.random());
  return { statusCode: null, error: messageOf(error), durationMs: 0, retryInSeconds, disable: null };
}

/** Sends a delivery once. */
async function attempt(delivery: DueDelivery, options: SenderOptions): Promise<Outcome> {
  const { allowPrivateHosts: allowPrivate, timeoutMs = TIMEOUT_MS, resolve } = options;
  const started = performance.now();
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'Campanile',
    ...signedHeaders(delivery.id, new Date(), delivery.body, secretsOf(delivery, options.secrets)),
  };
  const posted = await post(delivery.url, headers, delivery.body, { allowPrivate, timeoutMs, resolve });
  const durationMs = Math.round(performance.now() - started);
  return { ...judge(posted, delivery.attempts, options.schedule ?? BACKOFF_SECONDS), durationMs };
}

function secretsOf({ tenant_id, webhook_id, ...sealed }: DueDelivery, secrets: SecretSeal): string[] {
  return [sealed.sealed_secret, sealed.sealed_old_secret]
    .filter((secret) => secret !== null)
    .map((secret) => secrets.open(tenant_id, webhook_id, secret));
}

/** What an answer means: 2xx is delivered, 410 ends the webhook, all else is tried again. */
function judge(posted: Posted, attempts: number, schedule: readonly number[]): Omit<Outcome, 'durationMs'> {
  const { status } = posted;
  if (status !== null && status >= 200 && status < 300) {
    return { statusCode: status, error: null, retryInSeconds: null, disable: null };
  }
  if (status === 410) {
    const error = 'the receiver answered 410: it wants no more';
    return { statusCode: status, error, retryInSeconds: null, disable: error };
  }
  const retryAfter = parseRetryAfter(posted.retryAfter, new Date());
  return {
    statusCode: status,
    error: posted.error ?? describeStatus(posted.status),
    retryInSeconds: nextAttemptIn(attempts, schedule, retryAfter, Math.random()),
    disable: null,
  };
}

function describeStatus(status: number | null): string {
  const redirect = status !== null && status >= 300 && status < 400;
  return `the receiver answered ${status}, not 2xx${redirect ? ': redirects are not followed' : ''}`;
}
