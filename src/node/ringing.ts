import { type Ask, findCallsUp, hangUp } from './hang-up.js';

/** Campaigns let it ring for two minutes at most (src/api/schemas/campaign.ts). */
const MOST_RINGING_SECONDS = 150;

/**
 * Hangs up calls that ring for longer than any campaign lets them: Asterisk counts by the time of day, and where its clock is set
 * back it lets them ring for as much longer. A call that waits for Asterisk does not ring: counted is from when its channel is
 * seen. Returns a run, which tells how many channels it hung up.
 */
export function createRingingWatch(
  ask: Ask,
  openCalls: { ringingFor(seconds: number): string[] },
  now: () => number = () => performance.now(),
): () => Promise<number> {
  let upSince = new Map<string, number>();
  return async () => {
    const unanswered = openCalls.ringingFor(MOST_RINGING_SECONDS);
    // Without Asterisk no call is up.
    const up =
      unanswered.length > 0 ? await findCallsUp(ask).catch(() => new Set<string>()) : new Set<string>();
    const seen = now();
    upSince = new Map(
      unanswered.flatMap((callId) => (up.has(callId) ? [[callId, upSince.get(callId) ?? seen]] : [])),
    );
    const over = [...upSince].flatMap(([callId, since]) =>
      seen - since >= MOST_RINGING_SECONDS * 1000 ? [callId] : [],
    );
    return hangUp(ask, new Set(over));
  };
}
