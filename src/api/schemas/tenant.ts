import { z } from 'zod';
import { isZone } from '../../calls/zone.js';
import { callsPerSecond, name, ports, region, time, uuid } from './common.js';

const requestsPerMinute = z
  .int()
  .min(1)
  .max(1_000_000)
  .nullable()
  .meta({ description: 'Requests to the API in a minute; null is without limit' });

const suspended = z
  .boolean()
  .meta({ description: 'It places no call from now on, and its tokens are refused; calls under way go on' });

const timeZone = z
  .string()
  .refine(isZone, 'must be the IANA name of a time zone such as Europe/Rome')
  .nullable()
  .meta({
    description: 'The zone of calling windows that name none when they are set; null: they must name one',
    example: 'Europe/Rome',
  });

const maxContacts = z
  .int()
  .min(0)
  .max(1_000_000_000)
  .nullable()
  .meta({ description: 'Contacts that may be stored, over all campaigns; null is without limit' });

const cap = z.int().min(1).max(10_000).nullable();

const frequencyCaps = z.strictObject({ per_day: cap.default(null), per_30_days: cap.default(null) }).meta({
  id: 'FrequencyCaps',
  description:
    'Attempts at one number over all campaigns of the tenant, in any 24 hours and any 30 days; null is without a cap',
});

const lockout = z.int().min(0).max(8760).meta({
  description:
    'For how many hours a number is not called after a call that was answered and silent: 72 in the UK, 120 in Italy; 0 is not at all',
});

const recordingsDays = z
  .int()
  .min(1)
  .max(36_500)
  .nullable()
  .meta({ description: 'After how many days what callees said at `record` steps is deleted; null: never' });

export const newTenant = z
  .strictObject({
    name,
    ports: ports.meta({ description: 'Calls at once over all of the tenant’s campaigns' }),
    calls_per_second: callsPerSecond.nullable().default(null),
    default_region: region.nullable().default(null),
    time_zone: timeZone.default(null),
    max_contacts: maxContacts.default(null),
    requests_per_minute: requestsPerMinute.default(600),
    frequency_caps: frequencyCaps.default({ per_day: null, per_30_days: null }),
    silent_call_lockout_hours: lockout.default(120),
    recordings_days: recordingsDays.default(null),
    suspended: suspended.default(false),
  })
  .meta({ id: 'NewTenant' });

export const tenantChanges = z
  .strictObject({
    name: name.exactOptional(),
    ports: ports.exactOptional(),
    calls_per_second: callsPerSecond.nullable().exactOptional(),
    default_region: region.nullable().exactOptional(),
    time_zone: timeZone.exactOptional(),
    max_contacts: maxContacts.exactOptional(),
    requests_per_minute: requestsPerMinute.exactOptional(),
    frequency_caps: frequencyCaps.exactOptional(),
    silent_call_lockout_hours: lockout.exactOptional(),
    recordings_days: recordingsDays.exactOptional(),
    suspended: suspended.exactOptional(),
  })
  .meta({ id: 'TenantChanges' });

export const tenant = z
  .strictObject({
    id: uuid,
    name: z.string(),
    ports: z.int(),
    calls_per_second: z.number().nullable(),
    default_region: z.string().nullable(),
    time_zone: z.string().nullable(),
    max_contacts: z.int().nullable(),
    requests_per_minute: z.int().nullable(),
    frequency_caps: z.strictObject({ per_day: z.int().nullable(), per_30_days: z.int().nullable() }),
    silent_call_lockout_hours: z.int(),
    recordings_days: z.int().nullable(),
    suspended: z.boolean(),
    deleting_since: time.nullable().meta({
      description: 'When its deletion was asked for: until it is gone, nothing of it can be changed',
    }),
    created_at: time,
  })
  .meta({ id: 'Tenant' });
