import { z } from 'zod';
import { isAccountName, REGISTRATION_STATES } from '../../calls/sip-account.js';
import { callsPerSecond, name, ports, time, uuid } from './common.js';
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

export const newTrunk = z
  .strictObject({
    name,
    template: template.exactOptional(),
    pbx_trunk: configuredName.exactOptional(),
    sip: newSip.exactOptional(),
    ports,
    calls_per_second: callsPerSecond.nullable().default(null),
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
