import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** Asks `condition` every `everyMs` until it answers something truthy, and returns that; null after `timeoutMs`. */
export async function until<T>(
  condition: () => T | Promise<T>,
  { timeoutMs, everyMs = 20 }: { timeoutMs: number; everyMs?: number },
): Promise<NonNullable<T> | null> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const answer = await condition();
    if (answer) return answer;
    if (Date.now() >= deadline) return null;
    await delay(everyMs);
  }
}

/** The last `lines` lines of a text file, read from its end; '' when it cannot be read. */
export async function tailOf(path: string, lines = 20): Promise<string> {
  try {
    const file = await open(path);
    try {
      const { size } = await file.stat();
      const length = Math.min(size, 16_384);
      const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
      return buffer.toString('utf8').trimEnd().split('\n').slice(-lines).join('\n');
    } finally {
      await file.close();
    }
  } catch {
    return '';
  }
}
