import type { Talk } from './agi-amd.js';
import type { Act } from './far-end.js';
import { Timeline } from './timeline.js';

/** What ended a wait: its time, a key that was waited for, the end of the call, or a command that FastAGI sent. */
export type Waited = { by: 'time' | 'hangup' | 'command' } | { by: 'key'; key: string };

/** What CHANNEL(hangupsource) says when the dialplan hung up. */
export const BY_DIALPLAN = 'dialplan/builtin';

/** How long somebody takes to press a key that is asked for. */
const REPLY_MS = 500;

/** The channel of a pretended call: it waits, hears keys and is hung up. */
export class Channel {
  /** For example `PJSIP/trunk-0000002a`. */
  readonly name: string;
  /** The channel to the callee, which is another one on a routed call; CHANNEL(hangupsource) when the callee hangs up. */
  readonly farName: string;
  readonly callerId: { name: string; number: string };
  readonly variables: Map<string, string>;
  /** Milliseconds of the channel's own time; null before. */
  answeredAt: number | null = null;
  /** What the callee says first. */
  talk: Talk = 'person';
  hungUp = false;
  /** Who hung up, as CHANNEL(hangupsource) says it; '' when nobody in particular did. */
  hangupSource = '';
  /** Hears of the end of the call. */
  onHangup: (() => void) | null = null;
  readonly #time: Timeline;
  /** Keys that the callee presses, one each time that one is waited for, and how many of them he has. */
  #replies = '';
  #replied = 0;
  #waiter: { keys: string; interruptible: boolean; end: (waited: Waited) => void } | null = null;

  constructor(options: {
    name: string;
    farName: string;
    callerId: { name: string; number: string };
    variables: Map<string, string>;
    speed: number;
  }) {
    this.name = options.name;
    this.farName = options.farName;
    this.callerId = options.callerId;
    this.variables = options.variables;
    this.#time = new Timeline(options.speed);
  }

  /** Milliseconds since the call began. */
  now(): number {
    return this.#time.now();
  }

  /**
   * Waits `ms` milliseconds, or less when one of `keys` is pressed, the call ends or, if it is interruptible, `interrupt`
   * is called. It `goesOn` with what the last key broke off: that key was not asked for.
   */
  wait(ms: number, keys = '', { interruptible = true, goesOn = false } = {}): Promise<Waited> {
    if (this.hungUp) return Promise.resolve({ by: 'hangup' });
    return new Promise((resolve) => {
      const cancel = this.#time.after(ms, () => this.#endWait({ by: 'time' }));
      const forget = this.#replySoon(keys, goesOn);
      const end = (waited: Waited) => {
        cancel();
        forget();
        resolve(waited);
      };
      this.#waiter = { keys, interruptible, end };
      this.#time.hurry();
    });
  }

  answer(acts: readonly Act[], replies = ''): void {
    this.answeredAt = this.now();
    this.#replies = replies;
    for (const act of acts) {
      this.#time.after(act.afterMs, () => {
        if (act.does === 'press') this.press(act.key);
        else this.hangUp(this.farName);
      });
    }
  }

  /** The callee presses a key. One that nothing waits for is lost, as in a FastAGI session. */
  press(key: string): void {
    if (this.#waiter?.keys.includes(key)) this.#endWait({ by: 'key', key });
  }

  /** Ends the wait under way because FastAGI has something new to say. */
  interrupt(): void {
    if (this.#waiter?.interruptible) this.#endWait({ by: 'command' });
  }

  hangUp(source: string): void {
    if (this.hungUp) return;
    this.hungUp = true;
    this.hangupSource = source;
    this.#endWait({ by: 'hangup' });
    this.onHangup?.();
  }

  /** Nothing happens on the channel any more: waits under way never end. */
  freeze(): void {
    this.#time.stop();
    this.#waiter = null;
    this.onHangup = null;
  }

  /**
   * Has the callee press the next key while `keys` are waited for; one that nobody asked for is the next one again. Returns a
   * function that takes it back.
   */
  #replySoon(keys: string, goesOn: boolean): () => void {
    if (goesOn) this.#replied = Math.max(0, this.#replied - 1);
    const key = this.#replies[this.#replied];
    if (keys === '' || goesOn || key === undefined) return () => {};
    return this.#time.after(REPLY_MS, () => {
      this.#replied += 1;
      this.press(key);
    });
  }

  #endWait(waited: Waited): void {
    const waiter = this.#waiter;
    if (!waiter) return;
    this.#waiter = null;
    this.#time.relax();
    waiter.end(waited);
  }
}
