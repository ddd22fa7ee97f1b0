import { setTimeout } from 'node:timers/promises';
import { z } from 'zod';
import { CampanileError } from '../../errors.js';
import { route } from '../route.js';

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
