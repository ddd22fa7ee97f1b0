/** What was sent and how it was answered, for whoever lets it run for long. */
export interface Tally {
  note(name: string, status: number, ms: number): void;
  /** Lines of text. */
  tell(): string;
}

const SLOWEST = 8;

export function createTally(): Tally {
  const statuses = new Map<number, number>();
  const slowest = new Map<string, number>();
  return {
    note(name, status, ms) {
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      slowest.set(name, Math.max(slowest.get(name) ?? 0, ms));
    },
    tell() {
      const all = [...statuses.values()].reduce((sum, count) => sum + count, 0);
      const byStatus = [...statuses]
        .sort(([a], [b]) => a - b)
        .map(([status, count]) => `${status}: ${count}`);
      const worst = [...slowest].sort(([, a], [, b]) => b - a).slice(0, SLOWEST);
      return [
        `${all} requests; ${byStatus.join(', ')}`,
        ...worst.map(([name, ms]) => `at most ${Math.round(ms)} ms: ${name}`),
      ].join('\n');
    },
  };
}
