import { type RtpFields, readRtp } from './rtp.js';

/** Every audio packet that a phone received, in the order of arrival; the four columns have a row for each. */
export interface HeardPackets {
  /** Milliseconds since 1970. */
  at: Float64Array;
  timestamp: Uint32Array;
  sequence: Uint16Array;
  /** Where its payload ends in `payload`, and the next one's begins. */
  end: Uint32Array;
  /** The payloads, one behind the other. */
  payload: Uint8Array;
}

/** No gap between packets that belong to one stretch is longer: Asterisk on a busy machine falls behind by 100 ms and more. */
export const GAP_MS = 150;

/** Keeps what comes in. Its store doubles when it is full, so that packets make no garbage of their own. */
export class Ear {
  #rows = 1024;
  #count = 0;
  #at = new Float64Array(this.#rows);
  #timestamp = new Uint32Array(this.#rows);
  #sequence = new Uint16Array(this.#rows);
  #end = new Uint32Array(this.#rows);
  #payload = new Uint8Array(this.#rows * 160);
  readonly #fields: RtpFields = {
    payloadType: 0,
    marker: false,
    sequence: 0,
    timestamp: 0,
    start: 0,
    end: 0,
  };
  #stretches = 0;
  /** Told when a stretch of audio begins. */
  onStretch: () => void = () => {};

  /** How many stretches have begun. */
  get stretches(): number {
    return this.#stretches;
  }

  /** When audio came last; null before the first. */
  get lastAt(): number | null {
    return this.#count === 0 ? null : this.#at[this.#count - 1]!;
  }

  /** Takes a datagram; what is not audio of `payloadType` is passed over. */
  hear(packet: Buffer, payloadType: number, at: number): void {
    const fields = this.#fields;
    if (!readRtp(packet, fields) || fields.payloadType !== payloadType) return;
    const begins = this.#count === 0 || at - this.#at[this.#count - 1]! > GAP_MS;
    const from = this.#count === 0 ? 0 : this.#end[this.#count - 1]!;
    const end = from + fields.end - fields.start;
    if (this.#count === this.#rows || end > this.#payload.length) this.#grow();
    this.#at[this.#count] = at;
    this.#timestamp[this.#count] = fields.timestamp;
    this.#sequence[this.#count] = fields.sequence;
    this.#end[this.#count] = end;
    packet.copy(this.#payload, from, fields.start, fields.end);
    this.#count += 1;
    if (begins) {
      this.#stretches += 1;
      this.onStretch();
    }
  }

  /** What was heard so far; a copy. */
  heard(): HeardPackets {
    const count = this.#count;
    return {
      at: this.#at.slice(0, count),
      timestamp: this.#timestamp.slice(0, count),
      sequence: this.#sequence.slice(0, count),
      end: this.#end.slice(0, count),
      payload: this.#payload.slice(0, count === 0 ? 0 : this.#end[count - 1]!),
    };
  }

  #grow(): void {
    this.#rows *= 2;
    this.#at = copied(this.#at, new Float64Array(this.#rows));
    this.#timestamp = copied(this.#timestamp, new Uint32Array(this.#rows));
    this.#sequence = copied(this.#sequence, new Uint16Array(this.#rows));
    this.#end = copied(this.#end, new Uint32Array(this.#rows));
    this.#payload = copied(this.#payload, new Uint8Array(this.#payload.length * 2));
  }
}

function copied<T extends Float64Array | Uint32Array | Uint16Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
