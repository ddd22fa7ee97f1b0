/** Open files at a time: well below the 1,024 that a process may usually have, and above what the thread pool uses. */
const AT_ONCE = 32;

/** What `act` gives for each item, in order; 32 are under way at a time. Rejects with the first error. */
export async function mapConcurrently<T, R>(
  items: readonly T[],
  act: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < items.length; i = next++) results[i] = await act(items[i]!, i);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker));
  return results;
}
