/** A token bucket as it was last written down. */
export interface Bucket {
  tokens: number;
  /** Milliseconds since the epoch. */
  refilledAt: number;
}

/** Burst that a rate may save up, in seconds of that rate: enough to absorb a late timer, too little to be seen. */
const BURST_SECONDS = 0.05;

/** The most tokens a bucket of `rate` calls per second holds; at least one, or no call could ever start. */
export function burstOf(rate: number): number {
  return Math.max(1, rate * BURST_SECONDS);
}

/** The bucket at `now` (ms). A bucket that was never used (null) is full; a clock that went back adds nothing. */
export function refill(bucket: Bucket | null, rate: number, now: number): Bucket {
  if (!bucket) return { tokens: burstOf(rate), refilledAt: now };
  const gained = (Math.max(0, now - bucket.refilledAt) / 1000) * rate;
  return { tokens: Math.min(burstOf(rate), bucket.tokens + gained), refilledAt: now };
}

/** Milliseconds until the bucket holds one whole token, 0 when it does. */
export function untilToken(bucket: Bucket, rate: number): number {
  return Math.ceil(Math.max(0, (1 - bucket.tokens) / rate) * 1000);
}
