import { createHash } from 'node:crypto';
import { issueToken } from '../src/api/token.js';
import { loadSecret } from '../src/config.js';
import { newId } from '../src/ids.js';
import { until } from '../src/lab/condition.js';
import { toneWav } from '../src/messages/tone.js';
import type { ChaosLab } from './lab.js';

/** A campaign of the run. */
export interface LoadedCampaign {
  id: string;
  tenantId: string;
  name: string;
}

/** A campaign that was stopped, and when the API had said so (milliseconds since 1970). */
export interface Stop {
  campaignId: string;
  how: 'pause' | 'cancel';
  at: number;
}

export interface Load {
  readonly campaigns: readonly LoadedCampaign[];
  readonly stops: readonly Stop[];
  /** Gives each running campaign more contacts, so that some are always due. */
  topUp(): Promise<void>;
  /** Stops one of the campaigns over the API, as its tenant would. */
  stop(name: string, how: Stop['how']): Promise<void>;
}

const TENANTS = [
  { name: 'hospital', ports: 12, template: 'direct', pbxTrunk: 'far' },
  { name: 'school', ports: 8, template: 'routed', pbxTrunk: 'via-admin' },
  { name: 'bank', ports: 10, template: 'direct', pbxTrunk: 'far' },
] as const;

const CAMPAIGNS = [
  { name: 'A', tenant: 0, retry: { busy: '2s,5s', no_answer: '3s', congestion: '2s', lost: '1s*2' } },
  // No rule for `lost`: whoever was called when Asterisk died is not called again.
  { name: 'B', tenant: 0, retry: { busy: '1s*3', rejected: '4s' } },
  { name: 'C', tenant: 1, retry: { busy: '3s', lost: '2s*3', unreachable: '5s' } },
  { name: 'D', tenant: 1, retry: { busy: '2s' } },
  { name: 'E', tenant: 2, retry: { busy: '2s', lost: '1s' } },
  { name: 'F', tenant: 2, retry: { busy: '1s,2s,3s', no_answer: '2s*2', lost: '1s' } },
] as const;

/** The campaigns that a run stops in its middle. */
export const TO_BE_CANCELLED = 'D';
export const TO_BE_PAUSED = 'E';

/** Per hundred contacts, by what the far end does with them: see src/lab/sipp-scenario.ts. */
const CODES: Record<string, number> = {
  201: 34,
  200: 15,
  202: 8,
  203: 5,
  486: 20,
  404: 7,
  480: 4,
  603: 3,
  180: 2,
  503: 1,
  999: 1,
};
const MIX = Object.entries(CODES).flatMap(([code, n]) => Array<string>(n).fill(code));

const MESSAGE_SECONDS = 1;
const RING_SECONDS = 5;
const MAX_ATTEMPTS = 4;

/** How many contacts of a running campaign have yet to be called for the first time, at least. */
const DUE = 80;

/** Tenants, trunks and running campaigns with their first contacts. */
export async function insertLoad(lab: ChaosLab): Promise<Load> {
  const audio = toneWav(MESSAGE_SECONDS);
  const sha256 = createHash('sha256').update(audio).digest('hex');
  const tenants = [];
  for (const { name, ports, template, pbxTrunk } of TENANTS) {
    const [tenantId, trunkId, messageId] = [newId(), newId(), newId()];
    await lab.query('INSERT INTO tenants (id, name, ports) VALUES ($1, $2, $3)', [tenantId, name, ports]);
    await lab.query('INSERT INTO pbx_trunks (name) VALUES ($1) ON CONFLICT DO NOTHING', [pbxTrunk]);
    await lab.query(
      'INSERT INTO trunks (tenant_id, id, name, template, pbx_trunk, ports) VALUES ($1, $2, $3, $4, $5, $6)',
      [tenantId, trunkId, name, template, pbxTrunk, ports],
    );
    await lab.query(
      `WITH sound AS (INSERT INTO sounds (tenant_id, sha256, wav, seconds) VALUES ($1, $3, $4, $5))
        INSERT INTO messages (tenant_id, id, name, sha256, seconds) VALUES ($1, $2, 'message', $3, $5)`,
      [tenantId, messageId, sha256, audio, MESSAGE_SECONDS],
    );
    tenants.push({ tenantId, trunkId, messageId });
  }
  const campaigns: LoadedCampaign[] = [];
  for (const [i, { name, tenant, retry }] of CAMPAIGNS.entries()) {
    const { tenantId, trunkId, messageId } = tenants[tenant]!;
    const id = newId();
    await lab.query(
      `INSERT INTO campaigns (tenant_id, id, name, status, message_id, ring_seconds, retry, max_attempts, caller_id)
        VALUES ($1, $2, $3, 'draft', $4, $5, $6, $7, $8)`,
      [
        tenantId,
        id,
        name,
        messageId,
        RING_SECONDS,
        JSON.stringify(retry),
        MAX_ATTEMPTS,
        `+1212555${1000 + i}`,
      ],
    );
    await lab.query(
      'INSERT INTO campaign_trunks (tenant_id, campaign_id, position, trunk_id) VALUES ($1, $2, 1, $3)',
      [tenantId, id, trunkId],
    );
    campaigns.push({ id, tenantId, name });
  }
  const load = createLoad(lab, campaigns);
  await load.topUp();
  await lab.query(`UPDATE campaigns SET status = 'running', started_at = now() WHERE status = 'draft'`);
  return load;
}

function createLoad(lab: ChaosLab, campaigns: LoadedCampaign[]): Load {
  const stops: Stop[] = [];
  const serials = new Map<string, number>();

  /** The next numbers of the campaign at `index`, each of them nobody else's. */
  function numbersOf({ id }: LoadedCampaign, index: number, count: number): string[] {
    const from = serials.get(id) ?? 0;
    serials.set(id, from + count);
    return Array.from({ length: count }, (_, i) => {
      const serial = from + i;
      // A step that has no factor in common with a hundred mixes them.
      return `+1212${10 + index}${String(serial).padStart(5, '0')}${MIX[(serial * 37) % MIX.length]}`;
    });
  }

  async function topUp(): Promise<void> {
    const rows = await lab.query<{ id: string; pending: number }>(
      `SELECT id, pending FROM campaigns WHERE status IN ('draft', 'running')`,
    );
    for (const { id, pending } of rows) {
      const index = campaigns.findIndex((campaign) => campaign.id === id);
      const campaign = campaigns[index];
      if (!campaign || Number(pending) >= DUE) continue;
      const numbers = numbersOf(campaign, index, DUE);
      // As the API does: none into a campaign that is over, as it may be once the database is restored meanwhile.
      await lab.query(
        `INSERT INTO contacts (tenant_id, id, campaign_id, number)
          SELECT $1, uuidv7(), $2, number FROM unnest($3::text[]) AS n(number)
          WHERE EXISTS (SELECT FROM campaigns WHERE id = $2 AND status IN ('draft', 'running') FOR NO KEY UPDATE)
          ON CONFLICT DO NOTHING`,
        [campaign.tenantId, id, numbers],
      );
    }
  }

  return {
    campaigns,
    stops,
    topUp,
    async stop(name, how) {
      const campaign = campaigns.find((one) => one.name === name)!;
      const { host, port } = lab.config.listen;
      const token = issueToken(await loadSecret(lab.config), { tenantId: campaign.tenantId }, 3600);
      const done = await until(
        () =>
          fetch(`http://${host}:${port}/v1/campaigns/${campaign.id}/${how}`, {
            method: 'POST',
            headers: { Authorization: `Bearer ${token}` },
          }).then(
            ({ ok, status }) => (ok ? 'stopped' : status === 409 ? 'over' : null),
            () => null,
          ),
        { timeoutMs: 120_000, everyMs: 500 },
      );
      if (!done) throw new Error(`the API did not ${how} campaign ${name}`);
      // All its contacts had ended, as after a restore of the database, which forgets those that came since the copy.
      if (done === 'over') return lab.log(`campaign ${name} is over: nothing to ${how}`);
      stops.push({ campaignId: campaign.id, how, at: Date.now() });
      lab.log(`campaign ${name}: ${how}`);
    },
  };
}
