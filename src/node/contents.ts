import { type Content, type ContentRef, findContent } from '../db/content.js';
import type { Db } from '../db/pool.js';

/** What calls say and do, read once: what a campaign has in use never changes. */
export interface Contents {
  /** Throws what `findContent` throws. */
  get(ref: ContentRef): Promise<Content>;
}

/** So many campaigns at once are kept in memory; a flow is some kilobytes. */
const MOST_KEPT = 1000;

export function createContents(db: Db): Contents {
  const kept = new Map<string, Promise<Content>>();
  return {
    get(ref) {
      const key = keyOf(ref);
      const known = kept.get(key);
      if (known) return known;
      if (kept.size >= MOST_KEPT) kept.delete(kept.keys().next().value!);
      const content = findContent(db, ref);
      kept.set(key, content);
      // It may be there the next time.
      content.catch(() => kept.delete(key));
      return content;
    },
  };
}

/** The same for all calls that say and do the same. */
export function keyOf({ tenantId, messageId, flowId, flowVersion, optOutKey, machine }: ContentRef): string {
  const what = `${tenantId} ${messageId ?? flowId} ${messageId === null ? flowVersion : optOutKey}`;
  return machine === null ? what : `${what} ${JSON.stringify(machine)}`;
}
