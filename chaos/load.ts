import { issueToken } from '../src/api/token.js';
import { loadSecret } from '../src/config.js';
import { until } from '../src/lab/condition.js';
import {
  CAMPAIGNS,
  insertCampaign,
  insertTenants,
  insertWords,
  type LoadedCampaign,
  type LoadedTenant,
  numbersOf,
} from './campaigns.js';
import type { ChaosLab } from './lab.js';

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
  /** One more running campaign, with so many contacts and no more to come; with `words` each contact is spoken to by name. */
  extra(contacts: number, options?: { words?: boolean }): Promise<LoadedCampaign>;
  /** Stops a campaign over the API, as its tenant would. */
  stop(campaign: LoadedCampaign, how: Stop['how']): Promise<void>;
}

/** The campaigns that a run stops in its middle. */
export const TO_BE_CANCELLED = 'D';
export const TO_BE_PAUSED = 'E';

/** What an extra campaign says to each contact, where it has words. */
const WORDS = 'Good day {name|to you}. This is a test.';
/** An extra campaign is of the tenant of A, by its rules. */
const EXTRA = CAMPAIGNS[0];

/** How many contacts of a running campaign have yet to be called for the first time, at least. */
const DUE = 80;

/** Tenants, trunks and running campaigns with their first contacts. */
export async function insertLoad(lab: ChaosLab): Promise<Load> {
  const tenants = await insertTenants(lab);
  const campaigns: LoadedCampaign[] = [];
  for (const { name, tenant, retry } of CAMPAIGNS)
    campaigns.push(await insertCampaign(lab, { ...tenants[tenant]!, name, retry, index: campaigns.length }));
  const load = createLoad(lab, campaigns, tenants[EXTRA.tenant]!);
  await load.topUp();
  await lab.query(`UPDATE campaigns SET status = 'running', started_at = now() WHERE status = 'draft'`);
  return load;
}

function createLoad(lab: ChaosLab, campaigns: readonly LoadedCampaign[], extraTenant: LoadedTenant): Load {
  const stops: Stop[] = [];
  const serials = new Map<string, number>();
  let extras = 0;

  /** The next numbers of a campaign. */
  function nextNumbers(id: string, index: number, count: number): string[] {
    const from = serials.get(id) ?? 0;
    serials.set(id, from + count);
    return numbersOf(index, from, count);
  }

  async function topUp(): Promise<void> {
    const rows = await lab.query<{ id: string; pending: number }>(
      `SELECT id, pending FROM campaigns WHERE status IN ('draft', 'running')`,
    );
    for (const { id, pending } of rows) {
      const index = campaigns.findIndex((campaign) => campaign.id === id);
      const campaign = campaigns[index];
      if (!campaign || Number(pending) >= DUE) continue;
      const numbers = nextNumbers(id, index, DUE);
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
    async extra(contacts, { words = false } = {}) {
      const index = CAMPAIGNS.length + extras;
      extras += 1;
      const { tenantId } = extraTenant;
      const messageId = words ? await insertWords(lab, tenantId, WORDS) : extraTenant.messageId;
      const { retry } = EXTRA;
      const named = { ...extraTenant, messageId, name: `extra ${extras}`, retry, index };
      const campaign = await insertCampaign(lab, named);
      await lab.query(
        `INSERT INTO contacts (tenant_id, id, campaign_id, number, fields)
          SELECT $1, uuidv7(), $2, number, jsonb_build_object('name', number) FROM unnest($3::text[]) AS n(number)
          ON CONFLICT DO NOTHING`,
        [tenantId, campaign.id, nextNumbers(campaign.id, index, contacts)],
      );
      await lab.query(
        `UPDATE campaigns SET status = 'running', started_at = now() WHERE id = $1 AND status = 'draft'`,
        [campaign.id],
      );
      return campaign;
    },
    async stop(campaign, how) {
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
      if (!done) throw new Error(`the API did not ${how} campaign ${campaign.name}`);
      // All its contacts had ended, as after a restore of the database, which forgets those that came since the copy.
      if (done === 'over') return lab.log(`campaign ${campaign.name} is over: nothing to ${how}`);
      stops.push({ campaignId: campaign.id, how, at: Date.now() });
      lab.log(`campaign ${campaign.name}: ${how}`);
    },
  };
}
