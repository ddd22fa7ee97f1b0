import { z } from 'zod';
import { flowDefinition } from '../../calls/flow/schema.js';
import { count } from './campaign.js';
import { integer, name, time, uuid } from './common.js';

const version = z.int().min(1).meta({ description: 'From 1; every change of the definition is a new one' });

export const newFlow = z.strictObject({ name, definition: flowDefinition }).meta({ id: 'NewFlow' });

export const flowEntry = z
  .strictObject({
    id: uuid,
    name: z.string(),
    version: version.meta({ description: 'The newest' }),
    created_at: time,
    updated_at: time,
  })
  .meta({ id: 'FlowEntry' });

const fields = z.array(z.string()).meta({
  description: 'What every contact must have: the fields that it names without a default',
  example: ['first_name'],
});

export const flow = z
  .strictObject({
    ...flowEntry.shape,
    version: version.meta({ description: 'Of this definition' }),
    definition: flowDefinition,
    fields,
  })
  .meta({ id: 'Flow' });

export const flowCheck = z.strictObject({ fields }).meta({ id: 'FlowCheck' });

export const flowQuery = z.strictObject({
  version: integer(1, 2_147_483_647).optional().meta({
    description: 'An older version than the newest',
  }),
});

export const flowVersions = z
  .strictObject({
    data: z.array(
      z.strictObject({
        version,
        created_at: time,
        campaigns: count.meta({ description: 'Campaigns that are running or paused with it' }),
      }),
    ),
  })
  .meta({ id: 'FlowVersions' });
