import { z } from 'zod';
import { callsPerSecond, name, ports, time, uuid } from './common.js';

const template = z
  .string()
  .regex(/^[a-z0-9_-]{1,64}$/, 'must be 1 to 64 of a-z 0-9 _ -')
  .meta({ description: 'The call-file template', example: 'direct' });

export const pbxTrunkName = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ -')
  .meta({ description: 'A PJSIP endpoint or a dialplan context on the PBX', example: 'carrier1' });

export const newTrunk = z
  .strictObject({
    name,
    template,
    pbx_trunk: pbxTrunkName,
    ports,
    calls_per_second: callsPerSecond.nullable().default(null),
  })
  .meta({ id: 'NewTrunk' });

export const trunkChanges = z
  .strictObject({
    name: name.exactOptional(),
    template: template.exactOptional(),
    pbx_trunk: pbxTrunkName.exactOptional(),
    ports: ports.exactOptional(),
    calls_per_second: callsPerSecond.nullable().exactOptional(),
  })
  .meta({ id: 'TrunkChanges' });

export const trunk = z
  .strictObject({
    id: uuid,
    name: z.string(),
    template: z.string(),
    pbx_trunk: z.string(),
    ports: z.int(),
    calls_per_second: z.number().nullable(),
    created_at: time,
  })
  .meta({ id: 'Trunk' });

export const pbxTrunkLimits = z
  .strictObject({
    ports: ports
      .nullable()
      .meta({ description: 'Calls at once over all trunks on it; null is without limit' }),
    calls_per_second: callsPerSecond.nullable(),
  })
  .meta({ id: 'PbxTrunkLimits' });

export const pbxTrunk = z
  .strictObject({ name: z.string(), ports: z.int().nullable(), calls_per_second: z.number().nullable() })
  .meta({ id: 'PbxTrunk' });
