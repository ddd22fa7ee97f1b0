/** A span of time as people say it: `0.4 s`, `12.5 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`. */
export function span(seconds: number): string {
  if (seconds < 60) return `${seconds < 0.0995 ? Number(seconds.toFixed(3)) : seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const parts = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'min'],
    [whole % 60, 's'],
  ] as const;
  const first = parts.findIndex(([n]) => n > 0);
  return parts
    .slice(first, first + 2)
    .filter(([n]) => n > 0)
    .map(([n, unit]) => `${n} ${unit}`)
    .join(' ');
}

/** Wall time in UTC, as the log has it. */
export function wallTime(at: Date): string {
  return at.toISOString().replace('T', ' ');
}

/** Seconds between two times; null where one is not known. */
export function between(from: Date | null, to: Date | null): number | null {
  return from && to ? (to.getTime() - from.getTime()) / 1000 : null;
}

/** Tenants choose names: nothing of them may move the cursor, change the colour or turn the direction of a terminal. */
export function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\ufffd');
}
