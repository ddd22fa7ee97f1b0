import { CONTACT_STATES, OPEN_CONTACT_STATES } from '../../src/calls/states.js';
import type { Evidence, Violation } from '../verify.js';
import { group } from './group.js';

/** Every contact ended, every attempt has a disposition, no port is held. */
export function notEnded({ attempts, contacts, campaigns }: Evidence): Violation[] {
  const open: readonly string[] = OPEN_CONTACT_STATES;
  const status = new Map(campaigns.map((campaign) => [campaign.id, campaign.status]));
  return [
    ...campaigns
      .filter((campaign) => !['completed', 'cancelled', 'paused'].includes(campaign.status))
      .map(({ name, status }) => ({ rule: 'every campaign ends', what: `campaign ${name} is ${status}` })),
    ...contacts
      .filter(({ state, campaign_id }) =>
        status.get(campaign_id) === 'paused' ? state === 'calling' : open.includes(state),
      )
      .map(({ number, state }) => ({ rule: 'every contact ends', what: `${number} is ${state}` })),
    ...attempts
      .filter(({ state }) => state !== 'ended')
      .map(({ call, number }) => ({ rule: 'no port is held', what: `attempt ${call} to ${number} is open` })),
    ...attempts
      .filter(({ state, disposition }) => state === 'ended' && disposition === null)
      .map(({ call }) => ({ rule: 'every attempt has a disposition', what: call })),
  ];
}

/** The counters that are kept equal a count. */
export function countersWrong({ attempts, contacts, campaigns }: Evidence): Violation[] {
  const rule = 'the counters equal a count';
  const triesOf = group(attempts, ({ contact_id }) => contact_id);
  const contactsOf = group(contacts, ({ campaign_id }) => campaign_id);
  const violations: Violation[] = [];
  for (const { id, number, attempts: kept } of contacts) {
    const counted = triesOf.get(id)?.length ?? 0;
    if (kept !== counted) violations.push({ rule, what: `${number}: attempts ${kept}, counted ${counted}` });
  }
  for (const campaign of campaigns) {
    const own = contactsOf.get(campaign.id) ?? [];
    const counts: Record<string, number> = {
      attempts: own.reduce((sum, contact) => sum + contact.attempts, 0),
    };
    for (const state of CONTACT_STATES)
      counts[state] = own.filter((contact) => contact.state === state).length;
    for (const [counter, counted] of Object.entries(counts)) {
      const kept = Number(campaign[counter]);
      if (kept !== counted)
        violations.push({ rule, what: `campaign ${campaign.name}: ${counter} ${kept}, counted ${counted}` });
    }
  }
  return violations;
}
