import { jump, label, log, receive, response, send } from './sipp-steps.js';

/** Who may call or register at a far end, and the password that proves it. */
export interface Account {
  user: string;
  password: string;
}

/** RFC 2617, as carriers send it that follow RFC 3261 only. */
export const CHALLENGE = 'Digest realm="far", nonce="63616d70616e696c65", algorithm=MD5';

const UNAUTHORIZED = response('401 Unauthorized', { header: `WWW-Authenticate: ${CHALLENGE}` });

/**
 * The first steps of a far end with accounts, up to the one that goes on with `byCode`. The INVITE is challenged, and read
 * by `readInvite` (given how many steps stand before where there are no accounts) when it comes again with credentials;
 * with wrong ones it is challenged once more, which ends a caller's tries (RFC 3261, 22.2).
 */
export function challengeEveryCall(
  accounts: readonly Account[],
  readInvite: (stepsBefore: number) => string,
  references: string,
): string[] {
  // Four steps before the INVITE that is read, and after it one per account and two more.
  const read = readInvite(4 + accounts.length + 2);
  return [
    receive('REGISTER', { optional: true, next: 'registrar' }),
    receive('INVITE'),
    send(UNAUTHORIZED, { repeat: true }),
    receive('ACK'),
    `<recv request="INVITE" timeout="5000" ontimeout="end"><action>\n${USER}\n${read}\n${verify(accounts)}\n</action></recv>`,
    `${references}<Reference variables="credentials"/>`,
    ...accounts.map((_, i) => `<nop next="mayCall" test="proven${i}"/>`),
    jump('mayNotCall'),
    label('mayCall'),
    '<nop next="byCode" test="code"/>',
  ];
}

/** The steps that serve a registration for as long as it lives: pjsip sends all its REGISTERs under one Call-ID. */
export function registrar(accounts: readonly Account[]): string[] {
  return [
    label('mayNotCall'),
    send(UNAUTHORIZED, { repeat: true, next: 'untilAckOfRefusal', log: 'final 401' }),
    label('untilAckOfRefusal'),
    receive('ACK', { next: 'end' }),

    label('registrar'),
    send(UNAUTHORIZED),
    label('registering'),
    `<recv request="REGISTER"><action>\n${USER}\n${verify(accounts)}\n</action></recv>`,
    ...accounts.map((_, i) => `<nop next="registered" test="proven${i}"/>`),
    jump('mayNotRegister'),
    label('mayNotRegister'),
    `<nop next="registrar"><action>${log('refused [$account]')}</action></nop>`,
    label('registered'),
    send(response('200 OK', { header: '[last_Contact:]\nExpires: 3600' }), {
      next: 'registering',
      log: 'registered [$account]',
    }),
  ];
}

// A quote in an attribute would end it.
const USER =
  '<ereg regexp="username=.([A-Za-z0-9._+-]*)" search_in="hdr" header="Authorization:" assign_to="credentials,account"/>';

function verify(accounts: readonly Account[]): string {
  return accounts
    .map(
      ({ user, password }, i) =>
        `<verifyauth assign_to="proven${i}" username="${user}" password="${escapeXml(password)}"/>`,
    )
    .join('\n');
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
