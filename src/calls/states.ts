/** What an attempt ended as. */
export const DISPOSITIONS = [
  'answered',
  'machine',
  'busy',
  'no_answer',
  'rejected',
  'invalid_number',
  'congestion',
  'unreachable',
  'failed',
  'cancelled',
  'lost',
] as const;
export type Disposition = (typeof DISPOSITIONS)[number];

/** The states a contact passes through until it has ended. */
export const OPEN_CONTACT_STATES = ['pending', 'calling', 'retrying'] as const;

/** The states a contact ends in. */
export const FINAL_CONTACT_STATES = [
  'answered',
  'machine',
  'busy',
  'no_answer',
  'failed',
  'invalid',
  'suppressed',
  'no_consent',
  'cancelled',
  'expired',
] as const;

/** Why a contact that is due is not called before some time. */
export const HELD_FOR = ['frequency_cap', 'silent_call', 'speech'] as const;
export type HeldFor = (typeof HELD_FOR)[number];

export const CONTACT_STATES = [...OPEN_CONTACT_STATES, ...FINAL_CONTACT_STATES] as const;
export type FinalContactState = (typeof FINAL_CONTACT_STATES)[number];
export type ContactState = (typeof CONTACT_STATES)[number];

export const CAMPAIGN_STATUSES = ['draft', 'running', 'paused', 'completed', 'cancelled'] as const;
export type CampaignStatus = (typeof CAMPAIGN_STATUSES)[number];

const FINAL_STATE_OF: Record<Disposition, FinalContactState> = {
  answered: 'answered',
  machine: 'machine',
  busy: 'busy',
  no_answer: 'no_answer',
  rejected: 'failed',
  invalid_number: 'invalid',
  congestion: 'failed',
  unreachable: 'failed',
  failed: 'failed',
  cancelled: 'cancelled',
  lost: 'failed',
};

/** The state a contact ends in when its last attempt ended as `disposition` and none follows. */
export function finalStateOf(disposition: Disposition): FinalContactState {
  return FINAL_STATE_OF[disposition];
}
