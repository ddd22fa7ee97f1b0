import { createHash } from 'node:crypto';
import { accountName, CODECS, SIP_TEXT, type SipAccount, TRANSPORTS } from '../calls/sip-account.js';
import { CampanileError } from '../errors.js';

/** An account as it is written: with the trunk that it belongs to, and its password. */
export interface AccountToWrite extends SipAccount {
  trunkId: string;
  password: string;
}

const HEADER = `; Written by Campanile, which replaces it: SIP accounts of tenants' trunks. pjsip.conf takes it in with
;
;     #tryinclude "<this file>"
`;

// Nobody calls in: what a carrier sends is told 404 by a context without extensions.
const NOWHERE = 'campanile-nothing-inbound';
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const HIGHEST_PORT = 65_535;

/**
 * The whole file. Its first section is a marker, an aor without contacts whose name changes with all that follows: Asterisk
 * has exactly this file if it has that (`markerOf`).
 */
export function renderFile(sections: readonly string[]): string {
  const accounts = sections.join('');
  const hash = createHash('sha256').update(accounts).digest('hex').slice(0, 16);
  return `${HEADER}\n[campanile-accounts-${hash}]\ntype=aor\n${accounts}`;
}

/** The name of the marker in a file of ours; null when there is none. */
export function markerOf(file: string): string | null {
  return /^\[(campanile-accounts-[0-9a-f]{16})\]$/m.exec(file)?.[1] ?? null;
}

/** Whether a file of ours holds any account. */
export function hasAccounts(file: string): boolean {
  return /^type=endpoint$/m.test(file);
}

/**
 * One account as sections of pjsip.conf (auth, aor, endpoint and, if it registers, registration), all named by the trunk's
 * id. No transport is named: Asterisk takes its first one of the protocol. Throws a CampanileError (`sip_account_refused`)
 * for a value that does not look as it must.
 *
 * There is no identify section on purpose: a tenant who names the host of somebody else's carrier would get his incoming calls.
 */
export function renderAccount(account: AccountToWrite): string {
  check(account);
  const { host, port, transport, user, srtp } = account;
  const name = accountName(account.trunkId);
  const at = `${host}${port === null ? '' : `:${port}`}`;
  const by = transport === 'udp' ? '' : `\\;transport=${transport}`;
  const auth = section(name, [
    ['type', 'auth'],
    ['auth_type', 'userpass'],
    ['username', user],
    ['password', account.password],
  ]);
  const aor = section(name, [
    ['type', 'aor'],
    ['contact', `sip:${at}${by}`],
  ]);
  const endpoint = section(name, [
    ['type', 'endpoint'],
    ['context', NOWHERE],
    // By address, of which none is configured: a stranger's From cannot make him this endpoint.
    ['identify_by', 'ip'],
    ['allow_transfer', 'no'],
    ['allow_subscribe', 'no'],
    ['aors', name],
    ['outbound_auth', name],
    ['disallow', 'all'],
    ['allow', account.codecs.join(',')],
    ['direct_media', 'no'],
    ['rtp_symmetric', 'yes'],
    ['rewrite_contact', 'yes'],
    ['dtmf_mode', 'rfc4733'],
    ...(srtp ? [['media_encryption', 'sdes'] as const] : []),
    ...(account.from_user === null
      ? []
      : ([
          ['from_user', account.from_user],
          ['send_pai', 'yes'],
        ] as const)),
    ...(account.from_domain === null ? [] : ([['from_domain', account.from_domain]] as const)),
  ]);
  const registration = section(name, [
    ['type', 'registration'],
    ['server_uri', `sip:${at}${by}`],
    ['client_uri', `sip:${user}@${at}${by}`],
    ['contact_user', user],
    ['outbound_auth', name],
    // What the carrier sends to where we registered is this endpoint's, whatever address it comes from.
    ['line', 'yes'],
    ['endpoint', name],
    // Wrong credentials again and again get the PBX's address banned, for all tenants: every ten minutes will do.
    ['auth_rejection_permanent', 'yes'],
    ['fatal_retry_interval', '600'],
    ['forbidden_retry_interval', '600'],
    ['retry_interval', '60'],
    ['max_retries', '1000000'],
  ]);
  return `${auth}${aor}${endpoint}${account.register ? registration : ''}`;
}

function section(name: string, options: readonly (readonly [key: string, value: string])[]): string {
  return `\n[${name}]\n${options.map(([key, value]) => `${key}=${value}\n`).join('')}`;
}

/** The API has checked all this; it is checked again here because whatever gets past this becomes configuration. */
function check(account: AccountToWrite): void {
  const texts = ['host', 'user', 'password', 'from_user', 'from_domain'] as const;
  const wrong = texts.filter((field) => {
    const value: unknown = account[field];
    if (value === null && field.startsWith('from_')) return false;
    return typeof value !== 'string' || !SIP_TEXT[field].pattern.test(value);
  });
  const { port, codecs, transport } = account;
  const refused = [
    ...(UUID.test(account.trunkId) ? [] : ['trunkId']),
    ...wrong,
    ...(port === null || (Number.isInteger(port) && port > 0 && port <= HIGHEST_PORT) ? [] : ['port']),
    ...(TRANSPORTS.includes(transport) ? [] : ['transport']),
    ...(codecs.length > 0 && codecs.every((codec) => CODECS.includes(codec)) ? [] : ['codecs']),
    ...(account.srtp && transport !== 'tls' ? ['srtp'] : []),
  ];
  if (refused.length === 0) return;
  // The value is not told: it may be a password.
  throw new CampanileError(
    'sip_account_refused',
    `cannot write the SIP account of trunk ${JSON.stringify(account.trunkId)}: ${refused.join(', ')} cannot stand in pjsip.conf`,
  );
}
