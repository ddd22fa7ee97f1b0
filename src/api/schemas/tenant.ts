import { z } from 'zod';
import { callsPerSecond, name, ports, region, time, uuid } from './common.js';

export const newTenant = z
  .strictObject({
    name,
    ports: ports.meta({ description: 'Calls at once over all of the tenant’s campaigns' }),
    calls_per_second: callsPerSecond.nullable().default(null),
    default_region: region.nullable().default(null),
  })
  .meta({ id: 'NewTenant' });

export const tenantChanges = z
  .strictObject({
    name: name.exactOptional(),
    ports: ports.exactOptional(),
    calls_per_second: callsPerSecond.nullable().exactOptional(),
    default_region: region.nullable().exactOptional(),
  })
  .meta({ id: 'TenantChanges' });

export const tenant = z
  .strictObject({
    id: uuid,
    name: z.string(),
    ports: z.int(),
    calls_per_second: z.number().nullable(),
    default_region: z.string().nullable(),
    created_at: time,
  })
  .meta({ id: 'Tenant' });
