/** Who waits for new events of which tenant, in this process: one LISTEN is enough for any number of streams. */
export interface News {
  /** Has `wake` called when there may be new events of the tenant, until what it returns is called. */
  listen(tenantId: string, wake: () => void): () => void;
  /** Takes what `notifyEvents` told: ids of tenants, or nothing for all. */
  tell(payload: string): void;
}

export function createNews(): News {
  const waiting = new Map<string, Set<() => void>>();
  return {
    listen(tenantId, wake) {
      const own = waiting.get(tenantId) ?? new Set();
      waiting.set(tenantId, own.add(wake));
      return () => {
        own.delete(wake);
        if (own.size === 0 && waiting.get(tenantId) === own) waiting.delete(tenantId);
      };
    },
    tell(payload) {
      const tenantIds = payload === '' ? [...waiting.keys()] : payload.split(' ');
      for (const id of tenantIds) for (const wake of waiting.get(id) ?? []) wake();
    },
  };
}
