/** What the far end saw of one call. Times are milliseconds since 1970. */
export interface SandboxCall {
  number: string;
  callerId: string;
  invitedAt: number;
  answeredAt: number | null;
  /** Null while the call is going on. */
  endedAt: number | null;
  /** The final response: 200 when answered, 487 when cancelled while it rang; null when there was none (yet). */
  finalStatus: number | null;
}

/** The calls that the far end sees, and how many of them at once. */
export interface CallLog {
  begin(number: string, callerId: string): SandboxCall;
  end(call: SandboxCall): void;
  /** The latest calls in the order they came in; copies. */
  calls(): SandboxCall[];
  readonly total: number;
  readonly upNow: number;
  readonly maxConcurrent: number;
}

/** Keeps the latest `limit` calls; 0 keeps none and only counts. */
export function createCallLog(limit: number): CallLog {
  let kept: SandboxCall[] = [];
  let total = 0;
  let upNow = 0;
  let maxConcurrent = 0;
  return {
    begin(number, callerId) {
      total += 1;
      upNow += 1;
      maxConcurrent = Math.max(maxConcurrent, upNow);
      const nothingYet = { answeredAt: null, endedAt: null, finalStatus: null };
      const call = { number, callerId, invitedAt: Date.now(), ...nothingYet };
      if (limit > 0) kept.push(call);
      // Cut rarely: to take one away at each call would move all the others each time.
      if (kept.length >= 2 * limit + 1000) kept = kept.slice(-limit);
      return call;
    },
    end(call) {
      upNow -= 1;
      call.endedAt = Date.now();
    },
    calls: () => (limit > 0 ? kept.slice(-limit).map((call) => ({ ...call })) : []),
    get total() {
      return total;
    },
    get upNow() {
      return upNow;
    },
    get maxConcurrent() {
      return maxConcurrent;
    },
  };
}
