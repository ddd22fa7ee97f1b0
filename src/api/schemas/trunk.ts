import { z } from 'zod';
import { DEFAULT_BREAKER } from '../../calls/breaker.js';
import { isAccountName, REGISTRATION_STATES } from '../../calls/sip-account.js';
import { DISPOSITIONS } from '../../calls/states.js';
import { count } from './campaign.js';
import { callsPerSecond, name, ports, share, time, uuid } from './common.js';
import { newSip, shownSip, sipChanges } from './sip.js';

const template = z
  .string()
  .regex(/^[a-z0-9_-]{1,64}$/, 'must be 1 to 64 of a-z 0-9 _ -')
  .meta({ description: 'The call-file template', example: 'direct' });

export const pbxTrunkName = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ -')
  .meta({ description: 'A PJSIP endpoint or a dialplan context on the PBX', example: 'carrier1' });

const configuredName = pbxTrunkName.refine(
  (value) => !isAccountName(value),
  'must not begin with campanile-, as the SIP accounts of tenants do',
);

const breaker = z
  .strictObject({
    failures: z.int().min(1).max(100_000).meta({ description: 'At least so many calls failed' }),
    share: share(1).meta({ description: 'and they are at least this share of all that ended on it' }),
    seconds: z.int().min(30).max(3600).meta({ description: 'in the last so many seconds' }),
    rest_seconds: z.int().min(1).max(86_400).meta({ description: 'then it rests for so many' }),
  })
  .meta({
    id: 'Breaker',
    description:
      'When the trunk is rested. Calls fail here that ended as congestion or unreachable. After the rest a few are tried: one that gets through ends it, else the trunk rests again',
  });
const breakerOrNone = breaker.nullable().meta({ description: 'Null: it is never rested' });

export const newTrunk = z
  .strictObject({
    name,
    template: template.exactOptional(),
    pbx_trunk: configuredName.exactOptional(),
    sip: newSip.exactOptional(),
    ports,
    calls_per_second: callsPerSecond.nullable().default(null),
    breaker: breakerOrNone.default(DEFAULT_BREAKER),
  })
  .check(({ value, issues }) => {
    for (const field of ['template', 'pbx_trunk'] as const) {
      const wrong = value.sip ? value[field] !== undefined : value[field] === undefined;
      const message = value.sip
        ? 'is not for a trunk with a SIP account'
        : 'is required where there is no sip';
      if (wrong) issues.push({ code: 'custom', input: value, path: [field], message });
    }
  })
  .meta({
    id: 'NewTrunk',
    description:
      'Either with `sip`, an account at a carrier, or with `template` and `pbx_trunk`, which only an admin may name',
  });

export const trunkChanges = z
  .strictObject({
    name: name.exactOptional(),
    template: template.exactOptional(),
    pbx_trunk: configuredName.exactOptional(),
    sip: sipChanges.exactOptional(),
    ports: ports.exactOptional(),
    calls_per_second: callsPerSecond.nullable().exactOptional(),
    breaker: breakerOrNone.exactOptional(),
  })
  .meta({
    id: 'TrunkChanges',
    description: 'Any change ends the rest of a trunk: a few calls are tried at once',
  });

export const trunk = z
  .strictObject({
    id: uuid,
    name: z.string(),
    template: z.string(),
    pbx_trunk: z.string(),
    ports: z.int(),
    calls_per_second: z.number().nullable(),
    breaker: breakerOrNone,
    resting: z
      .strictObject({
        since: time,
        until: time.meta({ description: 'From then on a few calls are tried' }),
        reason: z.string().meta({ example: '23 of its last 30 calls failed (SIP 503)' }),
      })
      .nullable()
      .meta({ description: 'Null while it does not rest' }),
    sip: shownSip
      .nullable()
      .meta({ description: 'The SIP account; null for a trunk that names what an admin configured' }),
    registration: z
      .array(
        z
          .strictObject({
            node: z.string(),
            loaded: z.boolean().meta({
              description: 'Whether the PBX has the account as it is now; until then it places no calls',
            }),
            state: z
              .enum(REGISTRATION_STATES)
              .nullable()
              .meta({ description: 'At the carrier; null for an account that does not register' }),
            problem: z.string().nullable().meta({ description: 'What keeps the PBX from having it' }),
            checked_at: time,
          })
          .meta({ id: 'TrunkRegistration' }),
      )
      .meta({ description: 'What each node last found out about the SIP account' }),
    created_at: time,
  })
  .meta({ id: 'Trunk' });
export type ShownTrunk = z.output<typeof trunk>;

const callCounts = z
  .strictObject({
    seizures: count.meta({ description: 'Calls that have ended and that the carrier took' }),
    answered: count,
    answer_seizure_ratio: z
      .number()
      .nullable()
      .meta({ description: 'ITU-T E.425, 0 to 1; null without seizures' }),
  })
  .meta({ id: 'TrunkCalls' });

export const trunkDetail = trunk
  .extend({
    ports_in_use: count.meta({ description: 'Calls that are up or on their way, now' }),
    last_hour: callCounts,
    last_day: callCounts,
    last_failures: z
      .array(
        z.strictObject({
          attempt_id: uuid,
          campaign_id: uuid,
          ended_at: time,
          disposition: z.enum(DISPOSITIONS),
          sip_status: z.int().nullable(),
          cause: z.string().nullable().meta({ description: 'For a person, where it is known' }),
        }),
      )
      .meta({ description: 'The last ten calls that did not get through it, the latest first' }),
  })
  .meta({ id: 'TrunkDetail' });

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
