import type { Injected } from './fault.js';
import type { ChaosLab } from './lab.js';
import type { Load } from './load.js';
import type { AttemptRow, CampaignRow, ContactRow, Evidence } from './verify.js';

/** Reads what a run left behind, once everything is quiet. */
export async function gather(lab: ChaosLab, load: Load, faults: readonly Injected[]): Promise<Evidence> {
  return {
    calls: await lab.farEnd.calls(),
    attempts: await lab.query<AttemptRow>(
      `SELECT tenant_id || '.' || id AS call, campaign_id, contact_id, number, ordinal, state, disposition, silent, claimed_at, ended_at
        FROM attempts`,
    ),
    contacts: await lab.query<ContactRow>('SELECT id, campaign_id, number, state, attempts FROM contacts'),
    campaigns: await lab.query<CampaignRow>('SELECT * FROM campaigns'),
    stops: load.stops,
    faults,
  };
}
