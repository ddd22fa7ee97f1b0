/**
 * The name of a call everywhere outside of the database: `<tenant uuid>.<attempt uuid>`. It is the call file's name
 * without `.call`, what the dialplan carries as CAMPANILE_CALL, and holds the whole key of the attempt's row.
 */
export type CallId = string;

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
const CALL_ID = new RegExp(`^(${UUID})\\.(${UUID})$`);

export function callIdOf(tenantId: string, attemptId: string): CallId {
  return `${tenantId}.${attemptId}`;
}

/** The two ids in a call id, or null when the text is none. */
export function parseCallId(text: string): { tenantId: string; attemptId: string } | null {
  const match = CALL_ID.exec(text);
  return match ? { tenantId: match[1]!, attemptId: match[2]! } : null;
}

/** The ids in a call id as log lines name them (docs/logs.md); nothing when the text is none. */
export function logNamesOf(text: string): { tenant?: string; attempt?: string } {
  const ids = parseCallId(text);
  return ids ? { tenant: ids.tenantId, attempt: ids.attemptId } : {};
}
