import { insertAuditEntry } from '../db/audit-log.js';
import type { Db } from '../db/pool.js';
import { newId } from '../ids.js';
import type { Logger } from '../log.js';
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

const SECRET = /password|secret|key$/i;
const MOST_TEXT = 8_000;

/**
 * Writes down who changed what, before the answer is sent. It was changed already: that this cannot be written down is logged
 * as an error, with what it was about, and is none of the caller's.
 */
export async function writeAudit(db: Db, log: Logger, change: Change): Promise<void> {
  const { route, principal, id, answer } = change;
  const made = typeof answer === 'object' && answer !== null && 'id' in answer ? String(answer.id) : null;
  const action = `${route.method} ${route.path}`;
  // A tenant that an admin makes or changes can see so itself.
  const ofTenant = route.path.startsWith('/v1/tenants') ? id || made : null;
  try {
    await insertAuditEntry(db, {
      id: newId(),
      tenant_id: change.tenantId ?? ofTenant,
      role: principal.role,
      subject: principal.subject ?? null,
      key_id: principal.keyId ?? null,
      action,
      object_id: id || made,
      request: requestOf(change),
    });
  } catch (error) {
    log.error({ err: error, action, object: id || made }, 'cannot write to the audit log');
  }
}

function requestOf({ body, upload }: Change): unknown {
  if (body === undefined) return upload ? { type: upload.type, bytes: upload.bytes.length } : null;
  const text = JSON.stringify(body, (name, value) => (SECRET.test(name) && value !== null ? '...' : value));
  return text.length > MOST_TEXT ? { bytes: text.length } : JSON.parse(text);
}
