/** A trunk's account at a SIP carrier, without its password. */
export interface SipAccount {
  /** A name or an IPv4 address. */
  host: string;
  /** Null: what DNS says of the host (RFC 3263), else the transport's own. */
  port: number | null;
  transport: Transport;
  /** Encrypted audio (SDES), with tls only. */
  srtp: boolean;
  user: string;
  register: boolean;
  /** What its calls may show, E.164; the first is shown where a campaign names none. Empty: whatever the carrier lets through. */
  caller_ids: readonly string[];
  codecs: readonly Codec[];
  /** The user of From, for a carrier that knows its customers by it; the caller id is in P-Asserted-Identity then. */
  from_user: string | null;
  /** The domain of From; null is the PBX's own address. */
  from_domain: string | null;
}

export const TRANSPORTS = ['udp', 'tcp', 'tls'] as const;
export type Transport = (typeof TRANSPORTS)[number];

/** What a plain Asterisk can turn a message into. */
export const CODECS = ['ulaw', 'alaw', 'g722', 'gsm'] as const;
export type Codec = (typeof CODECS)[number];

interface Rule {
  pattern: RegExp;
  /** Goes on after "must be". */
  rule: string;
}

const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?';
const host: Rule = {
  // The last label begins with a letter: 127.1 and 0x7f000001 are addresses to a resolver, and none to a reader.
  pattern: new RegExp(
    `^(?:${OCTET}(?:\\.${OCTET}){3}|(?=[^]{1,253}$)(?:${LABEL}\\.)+[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)$`,
  ),
  rule: 'a host name with a dot in it, or an IPv4 address',
};
const user: Rule = { pattern: /^[A-Za-z0-9+][A-Za-z0-9._+-]{0,63}$/, rule: '1 to 64 of A-Z a-z 0-9 . _ + -' };

/**
 * What each text of an account must look like. The API refuses all else, and so does whoever writes it into pjsip.conf, where
 * `;` begins a comment, a backslash keeps one from beginning, `[` a section, `#` a directive, and the line's end ends the value.
 */
export const SIP_TEXT = {
  host,
  user,
  from_user: user,
  from_domain: host,
  password: {
    pattern: /^[A-Za-z0-9!$%&()*+./:?@^_{|}~-][A-Za-z0-9!#$%&()*+./:?@^_{|}~-]{0,127}$/,
    rule: '1 to 128 of A-Z a-z 0-9 and ! # $ % & ( ) * + - . / : ? @ ^ _ { | } ~, the first no #',
  },
} satisfies Record<string, Rule>;

/** What the PBX calls the account of a trunk: nothing of it is a tenant's text. */
export function accountName(trunkId: string): string {
  return `campanile-${trunkId}`;
}

/** Whether a PBX trunk's name is one that `accountName` makes. */
export function isAccountName(pbxTrunk: string): boolean {
  return pbxTrunk.startsWith('campanile-');
}

/** Whether a call through the account may show `callerId`; null shows the first of its caller ids. */
export function mayShow({ caller_ids }: Pick<SipAccount, 'caller_ids'>, callerId: string | null): boolean {
  return callerId === null || caller_ids.length === 0 || caller_ids.includes(callerId);
}

/** What Asterisk says of an account at its carrier. */
export const REGISTRATION_STATES = ['registered', 'rejected', 'unregistered', 'unknown'] as const;
export type RegistrationState = (typeof REGISTRATION_STATES)[number];
