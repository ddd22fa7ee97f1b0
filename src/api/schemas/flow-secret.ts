import { z } from 'zod';
import { time } from './common.js';

const oldSecretUntil = time.nullable().meta({ description: 'Until when the one before signs along' });

export const flowSecretState = z
  .strictObject({
    set: z.boolean().meta({ description: 'Without a secret the requests carry no signature' }),
    old_secret_until: oldSecretUntil,
  })
  .meta({ id: 'FlowSecretState' });

export const flowSecret = z
  .strictObject({
    secret: z.string().meta({ description: 'Shown now and never again', example: 'whsec_…' }),
    old_secret_until: oldSecretUntil,
  })
  .meta({ id: 'FlowSecret' });
