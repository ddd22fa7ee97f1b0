import { CampanileError } from '../errors.js';

/** Runs work `atOnce` at a time, in the order in which it came. Throws a CampanileError when as many as `waiting` wait. */
export function createQueue(limits: {
  atOnce: number;
  waiting: number;
}): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running < limits.atOnce) running += 1;
    else if (waiting.length < limits.waiting) await new Promise<void>((resolve) => waiting.push(resolve));
    else {
      throw new CampanileError('conversions_busy', 'too much audio is being converted', {
        retryAfterSeconds: 10,
      });
    }
    try {
      return await work();
    } finally {
      // Whoever is next takes over the place.
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
