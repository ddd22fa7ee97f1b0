import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type Clock, now } from './clock.js';
import type { CodecName } from './codec.js';
import { Ear } from './ear.js';
import { Mouth } from './mouth.js';
import { type Agreed, agree, type Offer, parseOffer, renderAnswer } from './sdp.js';

export interface MediaOptions {
  codec: CodecName;
  clock: Clock;
  comfort: Buffer | null;
}

/** The RTP of one call: a socket, an ear and a mouth. */
export class Media {
  readonly ear = new Ear();
  readonly mouth: Mouth;
  readonly #codec: CodecName;
  readonly #socket: Socket;
  readonly #agreed: Agreed;
  readonly #leaveClock: () => void;
  #closed = false;

  private constructor(socket: Socket, agreed: Agreed, { codec, clock, comfort }: MediaOptions) {
    this.#socket = socket;
    this.#agreed = agreed;
    this.#codec = codec;
    this.mouth = new Mouth({ ...agreed, comfort, send: (packet) => this.#send(packet) });
    this.#leaveClock = clock.add(() => this.mouth.tick());
    socket.on('message', (packet) => this.ear.hear(packet, agreed.audio, now()));
  }

  /** Opens a socket that talks with who made the offer; null where it offers no `codec`. */
  static async open(sdp: string, options: MediaOptions): Promise<Media | null> {
    const offer = parseOffer(sdp);
    const agreed = offer && agree(offer, options.codec);
    if (!offer || !agreed) return null;
    const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
    // Where the other side has closed its port a packet of ours comes back as an error.
    socket.on('error', () => {});
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    await connect(socket, offer);
    return new Media(socket, agreed, options);
  }

  /** The answer to an offer; null where it has nothing that we speak. A later one may name another port. */
  answer(sdp: string): string | null {
    const offer = parseOffer(sdp);
    const agreed = offer && agree(offer, this.#codec);
    if (!offer || agreed?.audio !== this.#agreed.audio || this.#closed) return null;
    const remote = this.#socket.remoteAddress();
    if (remote.port !== offer.port || remote.address !== offer.address) {
      this.#socket.disconnect();
      connect(this.#socket, offer).catch(() => {});
    }
    return renderAnswer(this.#socket.address().port, this.#codec, this.#agreed);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#leaveClock();
    this.#socket.close();
  }

  #send(packet: Buffer): void {
    if (this.#closed) return;
    try {
      this.#socket.send(packet);
    } catch {
      // Between two offers it is connected to nobody.
    }
  }
}

/** Packets of others are not received then, and those of ours need no look-up. */
async function connect(socket: Socket, { port, address }: Offer): Promise<void> {
  socket.connect(port, address);
  await once(socket, 'connect');
}
