import { parseCallId } from '../calls/call-id.js';
import type { Answers } from '../calls/flow/happened.js';
import type { StepOf } from '../calls/flow/schema.js';
import { findSealedFlowSecrets } from '../db/flow-secrets.js';
import type { Pool } from '../db/pool.js';
import { messageOf } from '../errors.js';
import type { Asked, Asker } from '../events/webhooks/ask.js';
import { signedHeaders } from '../events/webhooks/sign.js';
import { newId } from '../ids.js';
import type { Logger } from '../log.js';
import type { SecretSeal } from '../seal.js';
import type { AnswerableCall } from './open-calls.js';

export interface AskServerOptions {
  pool: Pool;
  asker: Asker;
  secrets: SecretSeal;
  /** Of this call. */
  log: Logger;
}

/** Longer values are cut: they are kept with the attempt, and told in events. */
const MOST_KEPT = 2000;

/**
 * Asks the tenant's server on behalf of a call, as docs/webhook-steps.md says; null, and `failed` is told why, when it does not
 * answer in time or not with a JSON object. What is asked for and is no text, number or boolean there is left out.
 */
export async function askServer(
  call: AnswerableCall,
  step: StepOf<'webhook'>,
  answers: Answers,
  failed: (reason: string) => void,
  { pool, asker, secrets, log }: AskServerOptions,
): Promise<Answers | null> {
  const { tenantId } = parseCallId(call.callId)!;
  const began = performance.now();
  const asked = await ask().catch((error): Asked => ({ answer: null, error: messageOf(error) }));
  if (asked.answer === null) {
    // Its path and query may hold secrets of the tenant's.
    const { host } = new URL(step.url);
    log.info({ host, reason: asked.error }, 'a webhook step failed');
    failed(asked.error);
    return null;
  }
  const kept = step.save.map((name) => [name, textOf(asked.answer[name])] as const);
  return Object.fromEntries(kept.filter((entry): entry is [string, string] => entry[1] !== null));

  async function ask(): Promise<Asked> {
    const body = JSON.stringify(questionOf(call, step, answers));
    const sealed = await findSealedFlowSecrets(pool, tenantId);
    const keys = sealed.map((secret) => secrets.open(tenantId, tenantId, secret));
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'Campanile',
      ...(keys.length > 0 ? signedHeaders(newId(), new Date(), body, keys) : {}),
    };
    const left = Math.max(1, step.timeout_ms - (performance.now() - began));
    return asker.ask(step.url, headers, body, Math.round(left));
  }
}

function questionOf(call: AnswerableCall, step: StepOf<'webhook'>, answers: Answers): object {
  const { tenantId, attemptId } = parseCallId(call.callId)!;
  const name = Object.entries(call.content.flow.steps).find(([, one]) => one === step)?.[0];
  return {
    type: 'flow.webhook',
    time: new Date().toISOString(),
    tenant_id: tenantId,
    campaign_id: call.campaignId,
    attempt_id: attemptId,
    step: name,
    contact: { id: call.contactId, number: call.number, fields: call.fields },
    answers,
  };
}

/** As Postgres can store it: UTF-8 without NUL. */
function textOf(value: unknown): string | null {
  if (!['string', 'number', 'boolean'].includes(typeof value)) return null;
  const text = String(value).slice(0, MOST_KEPT).replaceAll('\0', '');
  return Buffer.from(text, 'utf8').toString('utf8');
}
