import { expect, it } from 'vitest';
import { createRestartWatch } from '../../src/node/asterisk-restarts.js';

it('does its work once for each start of Asterisk that it was there for', async () => {
  const at = (second: number) => new Date(second * 1000);
  let startedAt: Date | null = null;
  let works = 0;
  const look = createRestartWatch(
    async () => startedAt,
    async () => {
      works += 1;
    },
  );
  const seen: [Date | null, number][] = [
    [null, 0],
    [at(1), 0],
    [at(1), 0],
    [at(2), 1],
    [at(2), 0],
    // Stopped, and started.
    [null, 0],
    [at(3), 1],
  ];
  for (const [start, touched] of seen) {
    startedAt = start;
    expect([start, await look()]).toEqual([start, touched]);
  }
  expect(works).toBe(2);
});
