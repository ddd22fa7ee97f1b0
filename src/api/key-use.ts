import { touchApiKey, type UsableKey } from '../db/api-keys.js';
import type { Db } from '../db/pool.js';
import type { Logger } from '../log.js';

/** Writes down when API keys were last used, beside the requests, which do not wait for it. */
export interface KeyUse {
  /** The key is in use: written down unless it was within the last minute. */
  note(key: UsableKey): void;
  /** Resolves when everything that was noted is written down, or has failed. */
  settled(): Promise<void>;
}

export function createKeyUse(db: Db, log: Logger): KeyUse {
  const writing = new Map<string, Promise<void>>();
  return {
    note({ tenant_id, id, use_is_old }) {
      // A burst of requests finds the old time many times before the first of them is written.
      if (!use_is_old || writing.has(id)) return;
      const written = touchApiKey(db, tenant_id, id)
        .catch((err) =>
          log.warn(
            { err, tenant: tenant_id, api_key: id },
            'cannot write down when an API key was last used',
          ),
        )
        .finally(() => writing.delete(id));
      writing.set(id, written);
    },
    async settled() {
      await Promise.all(writing.values());
    },
  };
}
