// The phones' own process, so that what the tests do does not disturb when packets come and go. phones.ts starts it and
// speaks with it over IPC.
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setPriority } from 'node:os';
import { messageOf } from '../../errors.js';
import { Call, numberOf } from './call.js';
import { Clock } from './clock.js';
import { answerOutside } from './dialog.js';
import type { Answer, PhonesSettings, Question } from './phones.js';
import type { CallRecord } from './record.js';
import { type Script, scriptFor } from './script.js';
import { header, parseSip, type SipMessage } from './sip.js';
import { createSounds } from './sounds.js';

/** All phones of a process: they share a SIP port, a codec and a clock. */
class Exchange {
  readonly #settings: PhonesSettings;
  readonly #socket: Socket;
  readonly #sounds;
  readonly #comfort: Buffer | null;
  readonly #clock = new Clock();
  readonly #calls = new Map<string, Call>();
  #scripts: readonly Script[] = [];
  #onEnd = new Set<() => void>();

  constructor(settings: PhonesSettings, socket: Socket) {
    this.#settings = settings;
    this.#socket = socket;
    this.#sounds = createSounds(settings.codec);
    this.#comfort = settings.sendSilence ? this.#sounds.silence(20) : null;
    socket.on('message', (packet, from) => {
      const message = parseSip(packet.toString('utf8'));
      if (message) this.#receive(message, (text) => this.#send(text, from.port, from.address));
    });
  }

  /** From now on calls go by these scripts; those going on keep theirs. */
  use(scripts: readonly Script[]): void {
    for (const step of scripts.flatMap(({ steps }) => steps ?? [])) {
      if ('say' in step) this.#sounds.payloadOf(step.say);
    }
    this.#scripts = scripts;
  }

  calls(number: string | null): CallRecord[] {
    return this.#callsTo(number).map((call) => call.record());
  }

  /** The last call to `number`, once there was one and none is going on. */
  async untilEnded(number: string): Promise<CallRecord> {
    for (;;) {
      const calls = this.#callsTo(number);
      if (calls.length > 0 && calls.every(({ ended }) => ended)) return calls.at(-1)!.record();
      await new Promise<void>((done) => this.#onEnd.add(done));
    }
  }

  forget(): void {
    for (const [id, call] of this.#calls) if (call.ended) this.#calls.delete(id);
  }

  #callsTo(number: string | null): Call[] {
    return [...this.#calls.values()].filter((call) => number === null || call.number === number);
  }

  #receive(message: SipMessage, send: (text: string) => void): void {
    const call = this.#calls.get(header(message, 'call-id'));
    if (call) call.receive(message);
    else if (message.method === 'INVITE') this.#take(message, send);
    else {
      const answer = answerOutside(message);
      if (answer) send(answer);
    }
  }

  #take(invite: SipMessage, send: (text: string) => void): void {
    const call = new Call({
      ...{ invite, send, sounds: this.#sounds, comfort: this.#comfort, clock: this.#clock },
      ...{ codec: this.#settings.codec, limitMs: this.#settings.limitMs },
      script: scriptFor(this.#scripts, numberOf(invite)),
      address: `127.0.0.1:${this.#settings.port}`,
      onEnd: () => this.#tellEnd(),
    });
    this.#calls.set(header(invite, 'call-id'), call);
  }

  #tellEnd(): void {
    const told = this.#onEnd;
    this.#onEnd = new Set();
    for (const tell of told) tell();
  }

  #send(text: string, port: number, address: string): void {
    this.#socket.send(text, port, address);
  }
}

async function start(settings: PhonesSettings): Promise<Exchange> {
  try {
    // Packets are to be seen when they arrive, however busy the machine is. Only root may.
    setPriority(-10);
  } catch {}
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 22 });
  socket.bind(settings.port, '127.0.0.1');
  await once(socket, 'listening');
  socket.on('error', () => {});
  return new Exchange(settings, socket);
}

let exchange: Exchange | undefined;

async function answerTo(question: Question): Promise<unknown> {
  if (question.ask === 'start') exchange = await start(question.settings);
  if (!exchange) throw new Error('the phones have not been started');
  if (question.ask === 'start' || question.ask === 'use') return exchange.use(question.scripts);
  if (question.ask === 'calls') return exchange.calls(question.number);
  if (question.ask === 'forget') return exchange.forget();
  return exchange.untilEnded(question.number);
}

process.on('message', (question: Question) => {
  answerTo(question).then(
    (value) => process.send?.({ id: question.id, value } satisfies Answer),
    (error) => process.send?.({ id: question.id, error: messageOf(error) } satisfies Answer),
  );
});
process.on('disconnect', () => process.exit(0));
