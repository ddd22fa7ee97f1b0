import { setTimeout } from 'node:timers/promises';
import { z } from 'zod';
import { CampanileError } from '../../errors.js';
import { route } from '../route.js';

export const getReadiness = route({
  method: 'get',
  path: '/readyz',
  access: 'public',
  summary: 'Whether this process should be sent requests now',
  answer: z.strictObject({ ready: z.literal(true) }).meta({ id: 'Readiness' }),
  problems: ['not_ready'],
  async handle({ ready }) {
    const missing = (await ready()).filter((check) => !check.ready);
    if (missing.length === 0) return { ready: true as const };
    const what = missing.map(({ name, problem }) => `${name}: ${problem}`).join('; ');
    throw new CampanileError('not_ready', `not ready (${what})`, { retryAfterSeconds: 5 });
  },
});

const PATIENCE_MS = 1000;

export const getHealth = route({
  method: 'get',
  path: '/healthz',
  access: 'public',
  summary: 'Whether the database answers within a second',
  answer: z.strictObject({ status: z.literal('ok') }).meta({ id: 'Health' }),
  problems: ['database_unavailable'],
  async handle({ pool }) {
    const patience = new AbortController();
    const late = setTimeout(PATIENCE_MS, undefined, { signal: patience.signal }).then(() => {
      throw new Error(`no answer within ${PATIENCE_MS} ms`);
    });
    try {
      await Promise.race([pool.query('SELECT 1'), late]);
    } catch (cause) {
      throw new CampanileError('database_unavailable', 'the database does not answer', {
        cause,
      });
    } finally {
      patience.abort();
    }
    return { status: 'ok' as const };
  },
});
