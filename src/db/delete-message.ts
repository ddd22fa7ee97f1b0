import { CampanileError } from '../errors.js';
import type { Tx } from './pool.js';
import { removeUnusedSound } from './sounds.js';

/**
 * Deletes a message, and its sound when no other has it. Resolves with false where there is none. Throws a CampanileError
 * (`message_in_use`) while a campaign has it, ended or not, or a flow plays it: in its newest version, or in that of a campaign.
 */
export async function deleteMessage(tx: Tx, tenantId: string, id: string): Promise<boolean> {
  const key = [tenantId, id];
  // A campaign that is being given the message waits here, or is waited for.
  const { rows } = await tx.query<{ sha256: string | null }>(
    'SELECT sha256 FROM messages WHERE tenant_id = $1 AND id = $2 FOR UPDATE',
    key,
  );
  if (!rows[0]) return false;
  const { rows: users } = await tx.query<User>(
    `SELECT 'campaign' AS kind, id, name FROM campaigns
        WHERE tenant_id = $1 AND (message_id = $2 OR machine_message_id = $2 OR inbound_message_id = $2)
      UNION ALL
      SELECT 'flow', f.id, f.name FROM flows f WHERE f.tenant_id = $1 AND EXISTS (
        SELECT FROM flow_versions v WHERE v.tenant_id = f.tenant_id AND v.flow_id = f.id
          AND position($2::uuid::text IN v.definition::text) > 0
          AND (v.version = f.version AND f.deleted_at IS NULL OR EXISTS (SELECT FROM campaigns p WHERE p.tenant_id = f.tenant_id
            AND p.flow_id = f.id AND p.flow_version = v.version)))
      ORDER BY 1, 2`,
    key,
  );
  if (users.length > 0) throw inUse(users);
  await tx.query('DELETE FROM messages WHERE tenant_id = $1 AND id = $2', key);
  if (rows[0].sha256 !== null) await removeUnusedSound(tx, tenantId, rows[0].sha256);
  return true;
}

interface User {
  kind: 'campaign' | 'flow';
  id: string;
  name: string;
}

const MOST_NAMED = 10;

function inUse(users: readonly User[]): CampanileError {
  const named = users
    .slice(0, MOST_NAMED)
    .map(({ kind, id, name }) => `${kind} ${JSON.stringify(name)} (${id})`);
  const more = users.length > MOST_NAMED ? ` and ${users.length - MOST_NAMED} more` : '';
  return new CampanileError(
    'message_in_use',
    `cannot delete a message that others have: ${named.join(', ')}${more}; give them another, or delete those first that are over`,
  );
}
