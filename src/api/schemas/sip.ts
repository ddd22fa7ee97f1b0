import { z } from 'zod';
import { CODECS, SIP_TEXT, TRANSPORTS } from '../../calls/sip-account.js';
import { e164 } from './common.js';

const text = (field: keyof typeof SIP_TEXT) =>
  z.string().regex(SIP_TEXT[field].pattern, `must be ${SIP_TEXT[field].rule}`);

function unique<T>(values: readonly T[]): boolean {
  return new Set(values).size === values.length;
}

const fields = {
  host: text('host').meta({
    description: 'The carrier: a name or an IPv4 address',
    example: 'sip.example.com',
  }),
  port: z
    .int()
    .min(1)
    .max(65_535)
    .nullable()
    .meta({ description: 'Null: as DNS says of the host (SRV), else 5060, or 5061 with tls' }),
  transport: z.enum(TRANSPORTS).meta({ description: 'The PBX must have a transport of this protocol' }),
  srtp: z.boolean().meta({ description: 'Encrypted audio, with transport tls only' }),
  user: text('user').meta({ example: 'acme' }),
  register: z.boolean().meta({ description: 'Whether the PBX registers there, as some carriers ask' }),
  caller_ids: z.array(e164).max(1000).refine(unique, 'must not name one twice').meta({
    description:
      'What calls may show; a campaign that names none shows the first. Empty: whatever the campaign names',
  }),
  codecs: z.array(z.enum(CODECS)).min(1).refine(unique, 'must not name one twice'),
  from_user: text('from_user').nullable().meta({
    description:
      'The user of From, where the carrier asks for it; the caller id is in P-Asserted-Identity then',
  }),
  from_domain: text('from_domain')
    .nullable()
    .meta({ description: 'The domain of From; null is the PBX’s address' }),
};

const password = text('password').meta({ description: 'Kept encrypted; no answer ever shows it' });

export const newSip = z
  .strictObject({
    ...fields,
    password,
    port: fields.port.default(null),
    transport: fields.transport.default('udp'),
    srtp: fields.srtp.default(false),
    register: fields.register.default(true),
    caller_ids: fields.caller_ids.default([]),
    codecs: fields.codecs.default(['ulaw', 'alaw']),
    from_user: fields.from_user.default(null),
    from_domain: fields.from_domain.default(null),
  })
  .meta({ id: 'NewSipAccount' });

export const sipChanges = z
  .strictObject({
    host: fields.host.exactOptional(),
    port: fields.port.exactOptional(),
    transport: fields.transport.exactOptional(),
    srtp: fields.srtp.exactOptional(),
    user: fields.user.exactOptional(),
    password: password.exactOptional(),
    register: fields.register.exactOptional(),
    caller_ids: fields.caller_ids.exactOptional(),
    codecs: fields.codecs.exactOptional(),
    from_user: fields.from_user.exactOptional(),
    from_domain: fields.from_domain.exactOptional(),
  })
  .meta({ id: 'SipAccountChanges' });

export const shownSip = z
  .strictObject({
    host: z.string(),
    port: z.int().nullable(),
    transport: z.enum(TRANSPORTS),
    srtp: z.boolean(),
    user: z.string(),
    password_set: z.literal(true),
    register: z.boolean(),
    caller_ids: z.array(z.string()),
    codecs: z.array(z.enum(CODECS)),
    from_user: z.string().nullable(),
    from_domain: z.string().nullable(),
  })
  .meta({ id: 'SipAccount' });
