import { randomInt } from 'node:crypto';
import {
  EVENT_BYTES,
  PACKET_MS,
  PACKET_SAMPLES,
  RTP_HEADER_BYTES,
  writeKeyEvent,
  writeRtpHeader,
} from './rtp.js';

/** A key being held. */
interface HeldKey {
  key: string;
  /** RTP timestamp of its beginning. */
  from: number;
  duration: number;
  /** Samples until it is let go. */
  hold: number;
  endPackets: number;
  /** Told when its first packet leaves. */
  onDown: () => void;
  done: () => void;
}

interface Saying {
  payload: Buffer;
  offset: number;
  done: () => void;
}

export interface MouthOptions {
  /** Payload types of audio and of keys; null where the caller takes none. */
  audio: number;
  keys: number | null;
  /** A packet of silence, sent whenever nothing else is; null to send nothing then. */
  comfort: Buffer | null;
  send(packet: Buffer): void;
}

// RFC 4733, 2.5.1.4: the end of an event is sent three times.
const END_PACKETS = 3;

/** What a phone sends: a packet each time that `tick` is called, every 20 ms, while it has something to say. */
export class Mouth {
  readonly #options: MouthOptions;
  readonly #audioPacket = Buffer.alloc(RTP_HEADER_BYTES + PACKET_SAMPLES);
  readonly #keyPacket = Buffer.alloc(RTP_HEADER_BYTES + EVENT_BYTES);
  readonly #fields = {
    payloadType: 0,
    marker: false,
    sequence: randomInt(0x10000),
    timestamp: randomInt(0x100000000),
    ssrc: randomInt(0x100000000),
  };
  #timestamp = this.#fields.timestamp;
  #held: HeldKey | null = null;
  #saying: Saying | null = null;
  #wasSilent = true;

  constructor(options: MouthOptions) {
    this.#options = options;
  }

  /** Says a payload of whole packets; resolves when the last one has left and its 20 ms are over. */
  say(payload: Buffer): Promise<void> {
    return new Promise((done) => {
      this.#saying = { payload, offset: 0, done };
    });
  }

  /**
   * Holds a key for `holdMs` (RFC 4733: a packet every 20 ms from its beginning on, its end three times); resolves when the last packet
   * has left. Audio pauses meanwhile.
   */
  press(key: string, holdMs: number, onDown: () => void): Promise<void> {
    return new Promise((done) => {
      const hold = Math.max(1, Math.round(holdMs / PACKET_MS)) * PACKET_SAMPLES;
      this.#held = { key, from: this.#timestamp, duration: 0, hold, endPackets: 0, onDown, done };
    });
  }

  /** The next 20 ms. */
  tick(): void {
    this.#timestamp = (this.#timestamp + PACKET_SAMPLES) >>> 0;
    if (this.#held) this.#sendKey(this.#held);
    else if (this.#saying) this.#sendSound(this.#saying);
    else if (this.#options.comfort) this.#sendAudio(this.#options.comfort, 0);
  }

  #sendKey(held: HeldKey): void {
    const first = held.duration === 0;
    if (first) {
      held.from = this.#timestamp;
      held.onDown();
    }
    if (held.duration < held.hold) held.duration += PACKET_SAMPLES;
    const ended = held.duration >= held.hold;
    if (ended) held.endPackets += 1;
    // A caller that takes no keys hears nothing of them; the time passes all the same.
    if (this.#options.keys !== null) {
      this.#header(this.#keyPacket, this.#options.keys, first, held.from);
      writeKeyEvent(this.#keyPacket, RTP_HEADER_BYTES, { key: held.key, ended, duration: held.duration });
      this.#options.send(this.#keyPacket);
    }
    if (held.endPackets < END_PACKETS) return;
    this.#held = null;
    held.done();
  }

  #sendSound(saying: Saying): void {
    if (saying.offset < saying.payload.length) {
      this.#sendAudio(saying.payload, saying.offset);
      saying.offset += PACKET_SAMPLES;
      return;
    }
    this.#saying = null;
    saying.done();
    if (this.#options.comfort) this.#sendAudio(this.#options.comfort, 0);
    else this.#wasSilent = true;
  }

  #sendAudio(payload: Buffer, offset: number): void {
    this.#header(this.#audioPacket, this.#options.audio, this.#wasSilent, this.#timestamp);
    payload.copy(this.#audioPacket, RTP_HEADER_BYTES, offset, offset + PACKET_SAMPLES);
    this.#wasSilent = false;
    this.#options.send(this.#audioPacket);
  }

  #header(packet: Buffer, payloadType: number, marker: boolean, timestamp: number): void {
    const fields = this.#fields;
    fields.payloadType = payloadType;
    fields.marker = marker;
    fields.sequence = (fields.sequence + 1) & 0xffff;
    fields.timestamp = timestamp;
    writeRtpHeader(packet, fields);
  }
}
