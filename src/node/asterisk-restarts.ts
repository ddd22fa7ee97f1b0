/**
 * Sees that Asterisk was started anew, whose calls of before are over and hold their ports until somebody says so. Returns 1
 * when it was, and has done `work` then.
 */
export function createRestartWatch(
  startedAt: () => Promise<Date | null>,
  work: () => Promise<unknown>,
): () => Promise<number> {
  let known: number | null = null;
  return async () => {
    const started = (await startedAt())?.getTime() ?? null;
    if (started === null || started === known) return 0;
    const isFirst = known === null;
    known = started;
    if (isFirst) return 0;
    await work();
    return 1;
  };
}
