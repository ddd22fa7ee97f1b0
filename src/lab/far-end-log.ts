/** What the far end saw of one call. Times are milliseconds since 1970, by the clock that Date.now() reads too. */
export interface FarEndCall {
  /** The SIP Call-ID. */
  callId: string;
  /** The dialled number in E.164 with its +. */
  number: string;
  /** The caller id: the user part of From. */
  from: string;
  /** The user of its credentials, right or wrong, where the far end asks for them. */
  account?: string;
  /** The header that the far end was told to write down, where it came. */
  mark?: string;
  invitedAt: number;
  /** When our 200 OK left; null when it was not answered. */
  answeredAt: number | null;
  /** When the far end sent its final refusal, or CANCEL came, or BYE came or left; null while the call is going on. */
  endedAt: number | null;
  /** The final response: 200 when answered, 487 when cancelled; null when there was none (yet). */
  finalStatus: number | null;
  cancelled: boolean;
}

/** A REGISTER with credentials that the far end answered. */
export interface FarEndRegister {
  account: string;
  accepted: boolean;
  at: number;
}

/**
 * Reads the far end's log as it grows: text in, calls out. A line is, split by tabs (which SIPp's own stamp has) and
 * spaces,
 *
 *     <date> <time> <seconds since 1970>.<microseconds> <Call-ID> <event> [<fields of the event>]
 *
 * with the events `invite <number> <from> [<account, or -> [<mark>]]`, `registered <account>`, `refused <account>`, `again` (INVITE with credentials after a challenge), `final <status>`,
 * `answer`, `cancel` and `bye` (from either end). SIPp writes one per step, not per packet: repeated packets are not
 * in it.
 */
export class FarEndLog {
  readonly #calls = new Map<string, FarEndCall>();
  readonly #registers: FarEndRegister[] = [];
  #leftover = '';

  /** Takes the next piece of the log, of any length. Lines that are no events of ours are passed over. */
  push(chunk: string): void {
    const lines = (this.#leftover + chunk).split('\n');
    this.#leftover = lines.pop() ?? '';
    for (const line of lines) this.#read(line);
  }

  /** The calls seen so far in the order of their INVITEs; copies, which later lines do not change. */
  calls(): FarEndCall[] {
    return [...this.#calls.values()].map((call) => ({ ...call }));
  }

  /** The REGISTERs answered so far. */
  registers(): FarEndRegister[] {
    return [...this.#registers];
  }

  #read(line: string): void {
    const [, , stamp, callId, event, first = '', second = '', third, mark] = line.split(/[\t ]/);
    if (!stamp || !callId) return;
    const at = Number(stamp) * 1000;
    if (event === 'invite') {
      const number = first.startsWith('+') ? first : `+${first}`;
      const nothingYet = { answeredAt: null, endedAt: null, finalStatus: null, cancelled: false };
      this.#calls.set(callId, {
        callId,
        number,
        from: second,
        ...(third && third !== '-' ? { account: third } : {}),
        ...(mark ? { mark } : {}),
        invitedAt: at,
        ...nothingYet,
      });
      return;
    }
    if (event === 'registered' || event === 'refused') {
      this.#registers.push({ account: first, accepted: event === 'registered', at });
      return;
    }
    const call = this.#calls.get(callId);
    if (!call) return;
    if (event === 'again') {
      call.endedAt = null;
      call.finalStatus = null;
    } else if (event === 'answer') {
      call.answeredAt = at;
      call.finalStatus = 200;
    } else if (event === 'final') {
      call.endedAt = at;
      call.finalStatus = Number(first);
    } else if (event === 'cancel') {
      call.endedAt = at;
      call.finalStatus = 487;
      call.cancelled = true;
    } else if (event === 'bye') {
      call.endedAt ??= at;
    }
  }
}

/**
 * The most calls that were going on at one instant. A call that ends at the very instant another begins does not
 * overlap it; one that has not ended counts to the end. `wanted` picks the calls by their number.
 *
 * `slackMs` takes calls that a BYE or CANCEL ended to have ended that much earlier. Asterisk archives a call that it
 * hangs up while that packet is still on its way, so the next INVITE can overtake it: by up to 10 ms on two busy cores.
 */
export function maxConcurrent(
  calls: readonly FarEndCall[],
  { wanted = () => true, slackMs = 0 }: { wanted?: (number: string) => boolean; slackMs?: number } = {},
): number {
  const endOf = (call: FarEndCall) => {
    const slack = call.answeredAt !== null || call.cancelled ? slackMs : 0;
    // At least a microsecond, or its end would sort before its beginning.
    return Math.max(call.invitedAt + 0.001, (call.endedAt ?? Number.POSITIVE_INFINITY) - slack);
  };
  const edges = calls
    .filter((call) => wanted(call.number))
    .flatMap((call) => [
      { at: call.invitedAt, step: 1 },
      { at: endOf(call), step: -1 },
    ])
    .sort((a, b) => (a.at === b.at ? a.step - b.step : a.at - b.at));
  let open = 0;
  let most = 0;
  for (const { step } of edges) {
    open += step;
    if (open > most) most = open;
  }
  return most;
}
