import { insertAuditEntry } from '../db/audit-log.js';
import type { Tx } from '../db/pool.js';
import { newId } from '../ids.js';
import type { Route } from './route.js';
import type { Principal } from './token.js';

/** A request that changed something. */
export interface Change {
  route: Route;
  principal: Principal;
  tenantId: string | null;
  /** What stands in the path's braces, or ''. */
  id: string;
  body: unknown;
  upload: { type: string; bytes: Buffer } | undefined;
  answer: unknown;
}

/** And the number of an erasure, which is to leave no trace. */
const SECRET = /password|secret|key$|^number$/i;
const MOST_TEXT = 8_000;

/** Writes down who changes what, in the transaction of the change: what cannot be written down is not done. */
export async function writeAudit(tx: Tx, change: Change): Promise<void> {
  const { route, principal, id, answer } = change;
  const made = typeof answer === 'object' && answer !== null && 'id' in answer ? String(answer.id) : null;
  await insertAuditEntry(tx, {
    id: newId(),
    tenant_id: change.tenantId ?? tenantOf(route, id || made),
    role: principal.role,
    subject: principal.subject ?? null,
    key_id: principal.keyId ?? null,
    action: `${route.method} ${route.path}`,
    object_id: id || made,
    request: requestOf(change),
  });
}

/** A tenant that an admin makes or changes can see so itself; that it was deleted stays when nothing of it is left. */
function tenantOf({ path, method }: Route, id: string | null): string | null {
  return path.startsWith('/v1/tenants') && method !== 'delete' ? id : null;
}

function requestOf({ body, upload }: Change): unknown {
  if (body === undefined) return upload ? { type: upload.type, bytes: upload.bytes.length } : null;
  const text = JSON.stringify(body, (name, value) => (SECRET.test(name) && value !== null ? '...' : value));
  return text.length > MOST_TEXT ? { bytes: text.length } : JSON.parse(text);
}
