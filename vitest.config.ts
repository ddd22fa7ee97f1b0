import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: ['test/pbx/**'] } },
      {
        extends: true,
        test: {
          name: 'pbx',
          include: ['test/pbx/**/*.test.ts'],
          // Each file has an Asterisk and a Postgres database of its own, and mostly waits for calls to end.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          testTimeout: 180_000,
          hookTimeout: 600_000,
        },
      },
    ],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    globalSetup: ['test/global-setup.ts'],
  },
});
