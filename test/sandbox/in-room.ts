import { test } from 'vitest';
import { Room } from './room.js';

/** A test with a room of its own; such tests may run side by side. */
export const inRoom = test.extend<{ room: Room }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads from it that this needs no other fixture
  room: async ({}, use) => {
    const room = new Room();
    await use(room);
    await room.close();
  },
});

/** How long `vi.waitFor` waits. */
export const WAIT = { timeout: 8_000, interval: 10 };
