import { createHash } from 'node:crypto';
import { flowDefinition } from '../src/calls/flow/schema.js';
import type { Pool } from '../src/db/pool.js';
import { newId } from '../src/ids.js';
import { toneWav } from '../src/messages/tone.js';

/**
 * A tenant with `ports` and one running campaign of `contacts` numbers that end in `code`, all due; its message lasts
 * `seconds`, or its calls go by the flow that `flow` makes of the ids of messages that are `sounds` (WAV). Returns the campaign's id.
 */
export async function insertBenchCampaign(
  pool: Pool,
  options: { ports: number; rate?: number; contacts: number; code: string } & (
    | { seconds: number }
    | { sounds: readonly Buffer[]; flow: (messages: string[]) => unknown }
  ),
): Promise<string> {
  const { ports, rate, contacts, code } = options;
  const [tenant, trunk, flow, campaign] = [newId(), newId(), newId(), newId()];
  const sounds = 'flow' in options ? options.sounds : [toneWav(options.seconds)];
  const messages = sounds.map(() => newId());
  await pool.query('INSERT INTO tenants (id, name, ports) VALUES ($1, $2, $3)', [tenant, 'bench', ports]);
  await pool.query("INSERT INTO pbx_trunks (name) VALUES ('far') ON CONFLICT DO NOTHING");
  await pool.query(
    `INSERT INTO trunks (tenant_id, id, name, template, pbx_trunk, ports) VALUES ($1, $2, 'far', 'direct', 'far', $3)`,
    [tenant, trunk, ports],
  );
  for (const [i, audio] of sounds.entries()) {
    const sha256 = createHash('sha256').update(audio).digest('hex');
    await pool.query(
      `WITH sound AS (INSERT INTO sounds (tenant_id, sha256, wav, seconds) VALUES ($1, $3, $4, $5))
        INSERT INTO messages (tenant_id, id, name, sha256, seconds) VALUES ($1, $2, 'sound', $3, $5)`,
      [tenant, messages[i], sha256, audio, (audio.length - 44) / 16_000],
    );
  }
  if ('flow' in options) {
    const definition = flowDefinition.parse(options.flow(messages));
    await pool.query(`INSERT INTO flows (tenant_id, id, name) VALUES ($1, $2, 'bench')`, [tenant, flow]);
    await pool.query(
      'INSERT INTO flow_versions (tenant_id, flow_id, version, definition) VALUES ($1, $2, 1, $3)',
      [tenant, flow, JSON.stringify(definition)],
    );
  }
  const says = 'flow' in options ? [null, flow, 1] : [messages[0], null, null];
  await pool.query(
    `INSERT INTO campaigns (tenant_id, id, name, status, message_id, flow_id, flow_version, calls_per_second, ring_seconds, retry,
        max_attempts)
      VALUES ($1, $2, 'bench', 'draft', $3, $4, $5, $6, 30, '{}', 1)`,
    [tenant, campaign, ...says, rate ?? null],
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
