/**
 * The time of one pretended call, in milliseconds since it began. It may run faster than the clock on the wall, and all
 * that is pretended (ringing, playing, talking, WaitTime) runs with it.
 */
export interface Timeline {
  now(): number;
  /** Calls `act` in `ms`. Returns a function that takes it back. */
  after(ms: number, act: () => void): () => void;
  /** To be called when the call has nothing to do but wait for what was given to `after`, while `waiting` says so. */
  idle(waiting: () => boolean): void;
  /** Nothing given to `after` happens any more. */
  stop(): void;
}

/** A timeline `speed` times as fast as real time. Infinity is instant: each thing waited for comes at once, in order. */
export function createTimeline(speed: number): Timeline {
  return speed === Number.POSITIVE_INFINITY ? instant() : scaled(speed);
}

function scaled(speed: number): Timeline {
  const began = performance.now();
  const timers = new Set<{ handle: NodeJS.Timeout }>();
  return {
    now: () => (performance.now() - began) * speed,
    after(ms, act) {
      const at = performance.now() + ms / speed;
      const timer = { handle: setTimeout(fire, ms / speed) };
      timers.add(timer);
      function fire(): void {
        // Node counts from the beginning of the turn of its loop in which a timer is set, and so may be early.
        const left = at - performance.now();
        if (left > 0) {
          timer.handle = setTimeout(fire, left);
          return;
        }
        timers.delete(timer);
        act();
      }
      return () => {
        clearTimeout(timer.handle);
        timers.delete(timer);
      };
    },
    idle() {},
    stop() {
      for (const { handle } of timers) clearTimeout(handle);
      timers.clear();
    },
  };
}

/** Time that stands still but for waits: it jumps to the next event, so what comes first is what would come first. */
function instant(): Timeline {
  let now = 0;
  let events: { at: number; act: () => void }[] = [];
  return {
    now: () => now,
    after(ms, act) {
      const event = { at: now + ms, act };
      const later = events.findIndex(({ at }) => at > event.at);
      events.splice(later < 0 ? events.length : later, 0, event);
      return () => {
        events = events.filter((other) => other !== event);
      };
    },
    idle(waiting) {
      while (waiting()) {
        const next = events.shift();
        if (!next) return;
        now = next.at;
        next.act();
      }
    },
    stop() {
      events = [];
    },
  };
}
