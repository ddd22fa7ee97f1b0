import { PACKET_MS } from './rtp.js';

/** Milliseconds since 1970, as Date.now() but to the microsecond and never going back. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

// Mouths speak in turns within the 20 ms, so that a hundred of them do not all send at one instant.
const TURNS = 4;
const TURN_MS = PACKET_MS / TURNS;

/** Calls each of its members every 20 ms. A call that comes late is made up for, so no member loses time. */
export class Clock {
  readonly #turns: Set<() => void>[] = Array.from({ length: TURNS }, () => new Set());
  #timer: NodeJS.Timeout | undefined;
  #next = 0;
  #turn = 0;
  #joined = 0;

  /** Returns a function that takes it away again. */
  add(member: () => void): () => void {
    const turn = this.#turns[this.#joined++ % TURNS]!;
    turn.add(member);
    if (!this.#timer) {
      this.#next = performance.now();
      this.#wait();
    }
    return () => {
      turn.delete(member);
      if (this.#turns.some(({ size }) => size > 0)) return;
      clearTimeout(this.#timer);
      this.#timer = undefined;
    };
  }

  #wait(): void {
    this.#timer = setTimeout(() => this.#run(), Math.max(0, this.#next - performance.now()));
  }

  #run(): void {
    while (this.#timer && this.#next <= performance.now()) {
      this.#next += TURN_MS;
      this.#turn = (this.#turn + 1) % TURNS;
      for (const member of this.#turns[this.#turn]!) member();
    }
    if (this.#timer) this.#wait();
  }
}
