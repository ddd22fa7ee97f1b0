const MOST_TIMER_MS = 2 ** 31 - 1;

/**
 * The time of one pretended call, in milliseconds since it began. While the call waits for what is pretended (ringing,
 * playing, talking, WaitTime) it runs `speed` times as fast as real time; Infinity is instant. While it waits for
 * somebody real, such as the FastAGI server, it runs no faster than real time, and with instant waits not at all: what
 * comes first is then the same on a slow machine.
 */
export class Timeline {
  readonly #fast: number;
  readonly #slow: number;
  #rate: number;
  #then = 0;
  #since = performance.now();
  #events: { at: number; act: () => void }[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(speed: number) {
    this.#fast = speed;
    this.#slow = speed === Number.POSITIVE_INFINITY ? 0 : Math.min(1, speed);
    this.#rate = this.#slow;
  }

  now(): number {
    if (this.#rate === 0 || this.#rate === Number.POSITIVE_INFINITY) return this.#then;
    return this.#then + (performance.now() - this.#since) * this.#rate;
  }

  /** Calls `act` in `ms`. Returns a function that takes it back. */
  after(ms: number, act: () => void): () => void {
    const event = { at: this.now() + ms, act };
    const later = this.#events.findIndex(({ at }) => at > event.at);
    this.#events.splice(later < 0 ? this.#events.length : later, 0, event);
    this.#arm();
    return () => {
      this.#events = this.#events.filter((other) => other !== event);
      this.#arm();
    };
  }

  /** The call begins to wait for what is pretended. */
  hurry(): void {
    this.#setRate(this.#fast);
  }

  /** It has ended to. */
  relax(): void {
    this.#setRate(this.#slow);
  }

  /** Nothing given to `after` happens any more. */
  stop(): void {
    this.#events = [];
    this.#arm();
  }

  #setRate(rate: number): void {
    this.#then = this.now();
    this.#since = performance.now();
    this.#rate = rate;
    while (this.#rate === Number.POSITIVE_INFINITY && this.#events.length > 0) {
      const next = this.#events.shift()!;
      this.#then = next.at;
      next.act();
    }
    this.#arm();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const next = this.#events[0];
    if (!next || this.#rate === 0) return;
    const ms = (next.at - this.now()) / this.#rate;
    this.#timer = setTimeout(() => this.#fire(), Math.min(ms, MOST_TIMER_MS));
  }

  /** A timer of Node's may be a little early: it counts from the beginning of the turn of its loop. */
  #fire(): void {
    while (this.#events.length > 0 && this.#events[0]!.at <= this.now()) this.#events.shift()!.act();
    this.#arm();
  }
}
