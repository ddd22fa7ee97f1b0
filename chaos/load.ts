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
  const load = createLoad(lab, await insertTenants(lab));
  await load.topUp();
  return load;
}

function createLoad(lab: ChaosLab, tenants: readonly LoadedTenant[]): Load {
  const campaigns: LoadedCampaign[] = [];
  const stops: Stop[] = [];
  const serials = new Map<number, number>();
  const extraTenant = tenants[EXTRA.tenant]!;
  let extras = 0;

  /** The next numbers of the campaign at `index`. */
  function nextNumbers(index: number, count: number): string[] {
    const from = serials.get(index) ?? 0;
    serials.set(index, from + count);
    return numbersOf(index, from, count);
  }

  /** A campaign ends when a restore has ended all contacts that the copy knew: its tenant makes another. */
  async function renewEnded(): Promise<void> {
    const ended = await lab.query<{ id: string }>(
      `SELECT id FROM campaigns WHERE status = 'completed' AND id = ANY($1::uuid[])`,
      [campaigns.map(({ id }) => id)],
    );
    for (const [index, { name, tenant, retry }] of CAMPAIGNS.entries()) {
      const { id } = campaigns[index] ?? {};
      if (id && !ended.some((one) => one.id === id)) continue;
      campaigns[index] = await insertCampaign(lab, { ...tenants[tenant]!, name, retry, index });
    }
  }

  async function topUp(): Promise<void> {
    await renewEnded();
    const rows = await lab.query<{ id: string; pending: number }>(
      `SELECT id, pending FROM campaigns WHERE status IN ('draft', 'running')`,
    );
    for (const { id, pending } of rows) {
      const index = campaigns.findIndex((campaign) => campaign.id === id);
      const campaign = campaigns[index];
      if (!campaign || Number(pending) >= DUE) continue;
      // As the API does: none into a campaign that is over, as it may be once the database is restored meanwhile.
      await lab.query(
        `INSERT INTO contacts (tenant_id, id, campaign_id, number)
          SELECT $1, uuidv7(), $2, number FROM unnest($3::text[]) AS n(number)
          WHERE EXISTS (SELECT FROM campaigns WHERE id = $2 AND status IN ('draft', 'running') FOR NO KEY UPDATE)
          ON CONFLICT DO NOTHING`,
        [campaign.tenantId, id, nextNumbers(index, DUE)],
      );
    }
    await run(campaigns.map(({ id }) => id));
  }

  async function run(ids: readonly string[]): Promise<void> {
    await lab.query(
      `UPDATE campaigns SET status = 'running', started_at = now() WHERE id = ANY($1::uuid[]) AND status = 'draft'`,
      [ids],
    );
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
        [tenantId, campaign.id, nextNumbers(index, contacts)],
      );
      await run([campaign.id]);
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
