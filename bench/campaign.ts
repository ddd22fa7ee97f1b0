import { createHash } from 'node:crypto';
import type { Pool } from '../src/db/pool.js';
import { newId } from '../src/ids.js';
import { toneWav } from '../src/messages/tone.js';

/**
 * A tenant with `ports` and one running campaign of `contacts` numbers that end in `code`, all due; its message lasts
 * `seconds`. Returns the campaign's id.
 */
export async function insertBenchCampaign(
  pool: Pool,
  options: { ports: number; contacts: number; code: string; seconds: number },
): Promise<string> {
  const { ports, contacts, code, seconds } = options;
  const [tenant, trunk, message, campaign] = [newId(), newId(), newId(), newId()];
  const audio = toneWav(seconds);
  const sha256 = createHash('sha256').update(audio).digest('hex');
  await pool.query('INSERT INTO tenants (id, name, ports) VALUES ($1, $2, $3)', [tenant, 'bench', ports]);
  await pool.query("INSERT INTO pbx_trunks (name) VALUES ('far') ON CONFLICT DO NOTHING");
  await pool.query(
    `INSERT INTO trunks (tenant_id, id, name, template, pbx_trunk, ports) VALUES ($1, $2, 'far', 'direct', 'far', $3)`,
    [tenant, trunk, ports],
  );
  await pool.query(
    `INSERT INTO messages (tenant_id, id, name, sha256, audio, seconds) VALUES ($1, $2, 'tone', $3, $4, $5)`,
    [tenant, message, sha256, audio, seconds],
  );
  await pool.query(
    `INSERT INTO campaigns (tenant_id, id, name, status, message_id, ring_seconds, retry, max_attempts)
      VALUES ($1, $2, 'bench', 'draft', $3, 30, '{}', 1)`,
    [tenant, campaign, message],
  );
  await pool.query(
    'INSERT INTO campaign_trunks (tenant_id, campaign_id, position, trunk_id) VALUES ($1, $2, 1, $3)',
    [tenant, campaign, trunk],
  );
  await pool.query(
    `INSERT INTO contacts (tenant_id, id, campaign_id, number)
      SELECT $1, uuidv7(), $2, '+1212' || (2000000 + n) || $3 FROM generate_series(1, $4::integer) AS n`,
    [tenant, campaign, code, contacts],
  );
  await pool.query('VACUUM ANALYZE contacts');
  await pool.query("UPDATE campaigns SET status = 'running', started_at = now() WHERE id = $1", [campaign]);
  return campaign;
}
