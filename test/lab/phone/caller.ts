import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { until } from '../../../src/lab/condition.js';
import { RTP_HEADER_BYTES, writeRtpHeader } from '../../../src/lab/phone/rtp.js';
import { header, parseSip, type SipMessage, withContent } from '../../../src/lab/phone/sip.js';

/** A caller of one call who does as the test says, and nothing by himself: no ACK, no answer to a BYE. */
export class Caller {
  readonly received: SipMessage[] = [];
  readonly rtp: Buffer[] = [];
  readonly #phone: number;
  readonly #sip: Socket;
  readonly #media: Socket;
  #to = '';
  #sequence = 0;

  private constructor(phone: number, sip: Socket, media: Socket) {
    this.#phone = phone;
    this.#sip = sip;
    this.#media = media;
    sip.on('message', (packet) => {
      const message = parseSip(packet.toString())!;
      this.received.push(message);
      if (message.method === null && message.status > 100) this.#to = header(message, 'to');
    });
    media.on('message', (packet) => this.rtp.push(packet));
  }

  static async start(phone: number): Promise<Caller> {
    const sockets = [createSocket('udp4'), createSocket('udp4')] as const;
    for (const socket of sockets) {
      socket.bind(0, '127.0.0.1');
      await once(socket, 'listening');
    }
    return new Caller(phone, ...sockets);
  }

  /** Sends a request of the call; those that belong together share a branch. */
  send(method: string, options: { cseq: number; branch?: string; codec?: number; callId?: string }): void {
    const { cseq, branch = `z9hG4bK${method}${cseq}`, codec, callId = 'call-1' } = options;
    const number = 'sip:+12125550100@127.0.0.1';
    const { port } = this.#sip.address();
    const lines = [
      `${method} ${number} SIP/2.0`,
      `Via: SIP/2.0/UDP 127.0.0.1:${port};branch=${branch}`,
      'From: <sip:+4930555@127.0.0.1>;tag=us',
      `To: ${this.#to || `<${number}>`}`,
      `Call-ID: ${callId}`,
      `CSeq: ${cseq} ${method === 'ACK' ? 'ACK' : method}`,
      `Contact: <sip:us@127.0.0.1:${port}>`,
    ];
    const media = this.#media.address().port;
    const body =
      codec === undefined
        ? ''
        : `v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio ${media} RTP/AVP ${codec} 101\r\na=rtpmap:101 telephone-event/8000\r\n`;
    this.#sip.send(withContent(lines, { body }), this.#phone, '127.0.0.1');
  }

  /** Answers a request of the phone's. */
  confirm(request: SipMessage): void {
    const copied = ['via', 'from', 'to', 'call-id', 'cseq'];
    const lines = copied.map((name) => `${name}: ${header(request, name)}`);
    this.#sip.send(withContent(['SIP/2.0 200 OK', ...lines], {}), this.#phone, '127.0.0.1');
  }

  /** Sends a packet of audio to the port that the phone named. */
  speak(payload: Buffer, timestamp: number): void {
    const packet = Buffer.concat([Buffer.alloc(RTP_HEADER_BYTES), payload]);
    this.#sequence += 1;
    writeRtpHeader(packet, { payloadType: 0, marker: false, sequence: this.#sequence, timestamp, ssrc: 1 });
    const answer = this.received.find(({ status, body }) => status === 200 && body !== '')!;
    this.#media.send(packet, Number(/m=audio (\d+)/.exec(answer.body)![1]), '127.0.0.1');
  }

  /** Waits until `count` messages came that are `what`: a status, or a method. */
  async until(what: number | string, count = 1): Promise<SipMessage[]> {
    const fits = ({ status, method }: SipMessage) =>
      typeof what === 'number' ? status === what : method === what;
    const found = await until(() => this.received.filter(fits).length >= count, { timeoutMs: 10_000 });
    if (!found) throw new Error(`no ${count} of ${what}: ${this.received.map((m) => m.status || m.method)}`);
    return this.received.filter(fits);
  }

  close(): void {
    this.#sip.close();
    this.#media.close();
  }
}
