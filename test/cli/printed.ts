import { afterEach, beforeEach, vi } from 'vitest';

/** What is written to stdout in a test; `clear` forgets it. Nothing reaches the terminal, and stubs of the environment go with it. */
export function usePrinted(): { text(): string; clear(): void } {
  let printed = '';
  beforeEach(() => {
    printed = '';
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      printed += text;
      return true;
    });
  });
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
  });
  return {
    text: () => printed,
    clear() {
      printed = '';
    },
  };
}
