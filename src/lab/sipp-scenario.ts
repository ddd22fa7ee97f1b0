import { FINAL_RESPONSES } from '../calls/sip-responses.js';
import { type Account, CHALLENGE, challengeEveryCall, registrar } from './sipp-accounts.js';
import { jump, label, log, receive, response, send } from './sipp-steps.js';

/** How the far end behaves where the codes leave it open. */
export interface FarEndManners {
  /** Code 201: seconds from the ACK of the answer to the far end's own BYE. */
  answerSeconds: number;
  /** Code 202: seconds of ringing before the answer. */
  ringSeconds: number;
  /** When given, a call must prove by digest to be of one of these, or it is refused with 401; they may register too. */
  accounts?: readonly Account[];
  /** Behaves as this code says, whatever the number is. */
  always?: number;
  /** A header of the INVITE whose value the log gets; not together with `accounts`. */
  loggedHeader?: string;
}

/**
 * The SIPp scenario of the far end. It looks at the last three digits of the number in the INVITE:
 *
 * - 300 to 699: that final response at once, or that of its class (400 for 499) when SIP has no such status; 3xx with a
 *   Contact, 401 and 407 with a challenge: an INVITE that then comes with credentials, whatever they are, is answered
 *   like 200;
 * - 180: rings until CANCEL; 183: early media (SDP in a 183) until CANCEL; 999: nothing is ever sent;
 * - 200, and every code not named here: 180, then 200 OK at once, until BYE;
 * - 201: answers, BYE of its own after `answerSeconds`; 202: rings `ringSeconds`, then answers, until BYE; 203: answers,
 *   BYE of its own after 0.5 s; 205: answers, presses key 5 after 1 s (RFC 4733), until BYE.
 *
 * Each step that `far-end-log.ts` needs is a <log> line there and then. SIPp stops its retransmissions only on a
 * message that stands further down than the one it repeats, so everything that waits stands below what it waits for.
 */
export function renderScenario(manners: FarEndManners): string {
  const { accounts, always, loggedHeader } = manners;
  const begin = accounts
    ? challengeEveryCall(accounts, (firstStep) => readInvite(firstStep, always, '[$account]'), REFERENCES)
    : [
        `<recv request="INVITE" next="byCode" test="code"><action>\n${readInvite(0, always, '', loggedHeader)}\n</action></recv>\n${REFERENCES}`,
      ];
  const steps = [
    ...begin,
    '<nop next="silence" test="silent"/>',
    jump('answer200'),
    // SIPp spends a turn of its loop on each nop, so a chain of comparisons would take milliseconds.
    label('byCode'),
    '<nop><action><jump variable="step"/></action></nop>',
    // A jump to step n does what the `next` of step n - 1 says, if it has one: hence each twice.
    ...TABLE.flatMap((code) => [jump(labelOf(code)), jump(labelOf(code))]),
    ...REFUSALS.flatMap((code) => [label(labelOf(code)), refuse(code)]),

    label('ring'),
    send(response('180 Ringing'), { next: 'untilCancel' }),
    label('earlyMedia'),
    send(response('183 Session Progress', { sdp: true })),
    label('untilCancel'),
    receive('CANCEL', { log: 'cancel' }),
    label('cancel'),
    send(response('200 OK')),
    // [last_Via:] is now the CANCEL's, which is the INVITE's by RFC 3261, 9.1; only CSeq names another method.
    send(response('487 Request Terminated', { cseq: 'CSeq: [last_cseq_number] INVITE' }), {
      repeat: true,
      next: 'untilAck',
    }),

    ...answer(200, []),
    ...answer(201, [waitForBye(milliseconds(manners.answerSeconds), 'hangUp')]),
    label('answer202'),
    send(response('180 Ringing')),
    receive('CANCEL', {
      next: 'cancel',
      log: 'cancel',
      timeout: milliseconds(manners.ringSeconds),
      ontimeout: 'answer200',
    }),
    ...answer(203, [waitForBye(500, 'hangUp')]),
    ...answer(205, [waitForBye(1000, 'playKey'), label('playKey'), PLAY_KEY_5]),

    label('untilBye'),
    receive('BYE', { log: 'bye' }),
    label('bye'),
    send(response('200 OK', { tag: false }), { next: 'end' }),

    // CANCEL and 200 OK passed each other: the caller must now ACK and send BYE (RFC 3261, 15).
    label('crossedCancel'),
    send(response('200 OK')),
    receive('ACK', { next: 'untilBye' }),

    label('hangUp'),
    send(BYE, { repeat: true, log: 'bye' }),
    // Both may hang up at once.
    receive('BYE', { optional: true, next: 'bye' }),
    '<recv response="200" next="end"/>',

    // A challenged caller tries again in the same call, or never.
    label('untilAckOfChallenge'),
    receive('ACK'),
    receive('INVITE', { next: 'answer200', log: 'again', timeout: 5000, ontimeout: 'end' }),

    label('silence'),
    // Longer than the 32 s for which a caller repeats an INVITE (RFC 3261, timer B).
    receive('CANCEL', { next: 'cancel', log: 'cancel', timeout: 40_000, ontimeout: 'end' }),

    label('untilAck'),
    receive('CANCEL', { optional: true, next: 'lateCancel' }),
    receive('ACK', { next: 'end' }),
    label('lateCancel'),
    send(response('200 OK')),
    receive('ACK', { next: 'end' }),
    ...(accounts ? registrar(accounts) : []),
    label('end'),
    '<nop hide="true"/>',
  ];
  return `<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="far end">\n${steps.join('\n')}\n</scenario>\n`;
}

const REFUSALS = Object.keys(FINAL_RESPONSES).map(Number);
const FIRST_CODE = 180;
const TABLE = Array.from({ length: 700 - FIRST_CODE }, (_, i) => FIRST_CODE + i);
// Where the second of the two steps for FIRST_CODE stands, when one step reads the INVITE.
const FIRST_STEP = 5;

/**
 * What is read of an INVITE. `code` is set by a code of the table only, and SIPp goes on at `byCode` then. `stepsBefore`: how
 * many more steps stand before this one than in a scenario without accounts.
 */
function readInvite(
  stepsBefore: number,
  always: number | undefined,
  account = '',
  loggedHeader?: string,
): string {
  const says = always === undefined ? 'number' : 'always';
  const set = always === undefined ? '' : `<assignstr assign_to="always" value="${always}"/>\n`;
  return `<ereg regexp="^INVITE sips?:([^@; ]*)" search_in="msg" assign_to="uri,number"/>
${set}<ereg regexp="(1[89]|[2-6][0-9])[0-9]$" search_in="var" variable="${says}" assign_to="code,tens"/>
<ereg regexp="999$" search_in="var" variable="${says}" assign_to="silent"/>
<todouble assign_to="step" variable="code"/>
<subtract assign_to="step" value="${FIRST_CODE}"/>
<multiply assign_to="step" value="2"/>
<add assign_to="step" value="${FIRST_STEP + stepsBefore}"/>
<ereg regexp="sips?:([^@;> ]*)@" search_in="hdr" header="From:" assign_to="from,user"/>
<ereg regexp="sips?:[^>]*" search_in="hdr" header="Contact:" assign_to="caller"/>
${loggedHeader ? `<ereg regexp="[^ ]+" search_in="hdr" header="${loggedHeader}:" assign_to="mark"/>\n` : ''}${log(
  `invite [$number] [$user] ${loggedHeader ? '- [$mark]' : account}`.trimEnd(),
)}`;
}

// SIPp complains of a variable that is named once only.
const REFERENCES = '<Reference variables="uri,tens,from"/>';

// Our own BYE needs the two ends as the dialog knows them, tags and all.
const RECEIVE_ACK_OF_ANSWER = `<recv request="ACK"><action>
<ereg regexp=".*" search_in="hdr" header="To:" assign_to="us"/>
<ereg regexp=".*" search_in="hdr" header="From:" assign_to="them"/>
</action></recv>`;

const PLAY_KEY_5 = `<nop next="untilBye"><action><exec play_pcap_audio="/usr/share/sip-tester/dtmf_2833_5.pcap"/></action></nop>`;

const BYE = `BYE [$caller] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From:[$us]
To:[$them]
Call-ID: [call_id]
CSeq: 1 BYE
Max-Forwards: 70
Content-Length: 0

`;

/** Where the scenario goes on for a code of the table. */
function labelOf(code: number): string {
  if (code >= 300) return `refuse${FINAL_RESPONSES[code] ? code : code - (code % 100)}`;
  const others: Record<number, string> = { 180: 'ring', 183: 'earlyMedia' };
  return others[code] ?? ([201, 202, 203, 205].includes(code) ? `answer${code}` : 'answer200');
}

/** The final response of a status. */
function refuse(code: number): string {
  const challenges: Record<number, string> = { 401: 'WWW-Authenticate', 407: 'Proxy-Authenticate' };
  const contact = 'Contact: <sip:+15550000486@[local_ip]:[local_port]>';
  const header = challenges[code] ? `${challenges[code]}: ${CHALLENGE}` : contact;
  return send(response(`${code} ${FINAL_RESPONSES[code]}`, { header }), {
    repeat: true,
    next: challenges[code] ? 'untilAckOfChallenge' : 'untilAck',
    log: `final ${code}`,
  });
}

/** The steps from ringing to the end of the call; nothing may come between them that a BYE could find busy. */
function answer(code: number, afterwards: string[]): string[] {
  return [
    label(`answer${code}`),
    send(response('180 Ringing')),
    send(response('200 OK', { sdp: true }), { repeat: true, log: 'answer' }),
    receive('CANCEL', { optional: true, next: 'crossedCancel' }),
    RECEIVE_ACK_OF_ANSWER,
    ...(afterwards.length > 0 ? afterwards : [receive('BYE', { next: 'bye', log: 'bye' })]),
  ];
}

function waitForBye(timeout: number, ontimeout: string): string {
  return receive('BYE', { next: 'bye', log: 'bye', timeout, ontimeout });
}

function milliseconds(seconds: number): number {
  return Math.round(seconds * 1000);
}
