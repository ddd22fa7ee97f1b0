import type { CampaignStatus } from '../calls/states.js';
import { CampanileError } from '../errors.js';

/** Throws a CampanileError (`campaign_ended`, 409) when a campaign takes no more contacts. */
export function checkOpen(status: CampaignStatus): void {
  if (status !== 'completed' && status !== 'cancelled') return;
  throw new CampanileError('campaign_ended', `cannot add contacts to a campaign that is ${status}`);
}
