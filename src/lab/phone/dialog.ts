import { randomBytes } from 'node:crypto';
import { branchOf, header, renderResponse, type SipMessage, uriOf, withContent } from './sip.js';

// RFC 3261, 17: what is not confirmed is repeated after T1, twice that, and so on up to T2; 64 T1 are the end of it.
const T1_MS = 500;
const T2_MS = 4000;

export interface DialogOptions {
  invite: SipMessage;
  /** 'host:port' of ours, for Contact and Via. */
  address: string;
  /** Sends a datagram to the caller. */
  send(text: string): void;
  /** The session description for an INVITE within the call; null where it offers nothing we take. */
  answerAgain(offer: string): string | null;
  onAck(): void;
  onCancel(): void;
  /** The call is over: who hung up, or 'nobody' when what we sent was never confirmed. */
  onEnd(by: 'caller' | 'phone' | 'nobody'): void;
}

/** The called side of one call by SIP over UDP (RFC 3261). */
export class Dialog {
  readonly #options: DialogOptions;
  readonly #tag = randomBytes(6).toString('hex');
  #state: 'ringing' | 'refused' | 'answered' | 'confirmed' | 'leaving' | 'ended' = 'ringing';
  /** What a repeated INVITE gets, and the branch of the one that it answers. */
  #lastResponse = '';
  #inviteBranch: string;
  #repeating: NodeJS.Timeout | undefined;

  constructor(options: DialogOptions) {
    this.#options = options;
    this.#inviteBranch = branchOf(options.invite);
    this.#respond('100 Trying', '');
  }

  ring(): void {
    if (this.#state === 'ringing') this.#respond('180 Ringing');
  }

  /** 200 OK with our session description, repeated until it is confirmed; false where the caller has gone. */
  answer(sdp: string): boolean {
    if (this.#state !== 'ringing') return false;
    this.#state = 'answered';
    this.#respond('200 OK', this.#tag, sdp);
    this.#repeat(this.#lastResponse, () => this.#end('nobody'));
    return true;
  }

  /** A final response other than 2xx: '486 Busy Here'. */
  refuse(status: string): void {
    if (this.#state !== 'ringing') return;
    this.#state = 'refused';
    this.#respond(status);
    this.#repeat(this.#lastResponse, () => this.#end('nobody'));
  }

  /** BYE; the call is over at once, whenever the caller confirms it. */
  hangUp(): void {
    if (this.#state !== 'answered' && this.#state !== 'confirmed') return;
    const { invite, address } = this.#options;
    const to = header(invite, 'to');
    const bye = withContent(
      [
        `BYE ${uriOf(header(invite, 'contact'))} SIP/2.0`,
        `Via: SIP/2.0/UDP ${address};rport;branch=z9hG4bK${randomBytes(8).toString('hex')}`,
        `From: ${to};tag=${this.#tag}`,
        `To: ${header(invite, 'from')}`,
        `Call-ID: ${header(invite, 'call-id')}`,
        ...['CSeq: 1 BYE', 'Max-Forwards: 70'],
      ],
      {},
    );
    this.#options.send(bye);
    this.#end('phone');
    this.#state = 'leaving';
    this.#repeat(bye, () => {
      this.#state = 'ended';
    });
  }

  /** Takes a message of this call. */
  receive(message: SipMessage): void {
    if (message.method === null) this.#confirmBye(message);
    else if (message.method === 'INVITE') this.#invite(message);
    else if (message.method === 'ACK') this.#ack();
    else if (message.method === 'CANCEL') this.#cancel(message);
    else if (message.method === 'BYE') this.#bye(message);
    else this.#reply(message, '200 OK');
  }

  #invite(message: SipMessage): void {
    const repeated = branchOf(message) === this.#inviteBranch;
    if (repeated) this.#options.send(this.#lastResponse);
    else if (this.#state !== 'confirmed') this.#reply(message, '491 Request Pending');
    else this.#answerAgain(message);
  }

  #answerAgain(message: SipMessage): void {
    const sdp = this.#options.answerAgain(message.body);
    if (sdp === null) {
      this.#reply(message, '488 Not Acceptable Here');
      return;
    }
    this.#inviteBranch = branchOf(message);
    this.#lastResponse = this.#rendered(message, '200 OK', this.#tag, sdp);
    this.#options.send(this.#lastResponse);
    this.#repeat(this.#lastResponse, () => this.#end('nobody'));
  }

  #ack(): void {
    if (this.#state === 'leaving') return;
    clearTimeout(this.#repeating);
    if (this.#state === 'refused') this.#state = 'ended';
    if (this.#state !== 'answered') return;
    this.#state = 'confirmed';
    this.#options.onAck();
  }

  #cancel(message: SipMessage): void {
    const known = branchOf(message) === this.#inviteBranch;
    this.#reply(message, known ? '200 OK' : '481 Call/Transaction Does Not Exist');
    if (!known || this.#state !== 'ringing') return;
    this.#options.onCancel();
    this.refuse('487 Request Terminated');
    this.#options.onEnd('caller');
  }

  #bye(message: SipMessage): void {
    this.#reply(message, '200 OK');
    if (this.#state === 'answered' || this.#state === 'confirmed') this.#end('caller');
  }

  #confirmBye(message: SipMessage): void {
    if (this.#state !== 'leaving' || message.status < 200 || !/ BYE$/.test(header(message, 'cseq'))) return;
    clearTimeout(this.#repeating);
    this.#state = 'ended';
  }

  #end(by: 'caller' | 'phone' | 'nobody'): void {
    if (this.#state === 'ended') return;
    clearTimeout(this.#repeating);
    this.#state = 'ended';
    this.#options.onEnd(by);
  }

  /** The response to the INVITE of the call. */
  #respond(status: string, tag = this.#tag, sdp = ''): void {
    this.#lastResponse = this.#rendered(this.#options.invite, status, tag, sdp);
    this.#options.send(this.#lastResponse);
  }

  #reply(request: SipMessage, status: string): void {
    this.#options.send(renderResponse(request, status, this.#tag));
  }

  #rendered(request: SipMessage, status: string, tag: string, sdp: string): string {
    const contact = `Contact: <sip:phone@${this.#options.address}>`;
    return renderResponse(request, status, tag, { headers: [contact], body: sdp });
  }

  #repeat(text: string, givenUp: () => void): void {
    clearTimeout(this.#repeating);
    let after = T1_MS;
    let passed = 0;
    const again = () => {
      passed += after;
      if (passed >= 64 * T1_MS) {
        givenUp();
        return;
      }
      this.#options.send(text);
      after = Math.min(2 * after, T2_MS);
      this.#repeating = setTimeout(again, after);
    };
    this.#repeating = setTimeout(again, after);
  }
}

/** What is answered to a request outside of any call. */
export function answerOutside(message: SipMessage): string | null {
  if (message.method === null || message.method === 'ACK') return null;
  const tag = randomBytes(6).toString('hex');
  const allow = 'Allow: INVITE, ACK, CANCEL, BYE, OPTIONS';
  if (message.method === 'OPTIONS') return renderResponse(message, '200 OK', tag, { headers: [allow] });
  const status = ['BYE', 'CANCEL'].includes(message.method)
    ? '481 Call/Transaction Does Not Exist'
    : '405 Method Not Allowed';
  return renderResponse(message, status, tag, { headers: [allow] });
}
