import { describe, expect, it } from 'vitest';
import { type CampaignFacts, type TrunkInCampaign, whyNotDialling } from '../../src/calls/why.js';

const now = new Date('2026-11-21T20:00:00Z'); // a Saturday
const WORKDAYS = {
  weekdays: ['mon', 'tue', 'wed', 'thu', 'fri'],
  hours: ['09:00-17:00'],
  except_dates: [],
} as const;
const free = { ports: 20, inUse: 3 };
const running: CampaignFacts = {
  now,
  test: false,
  status: 'running',
  pausedReason: null,
  startAt: null,
  endAt: null,
  window: null,
  waiting: [{ zones: ['Europe/Berlin'], contacts: 812 }],
  retriesLater: { contacts: 0, nextAt: null },
  held: [],
  limits: {
    campaign: { ports: null, inUse: 3 },
    tenant: free,
  },
  trunks: [{ name: 'Main', own: free, pbxTrunk: { ports: null, inUse: 3 }, problem: null, resting: null }],
  callsPerSecond: null,
  nodes: { ports: 100, inUse: 3, alive: 1, seenAt: now },
  untaken: null,
};
const [main] = running.trunks as [TrunkInCampaign];
const full = { ports: 20, inUse: 20 };
const resting = {
  since: new Date('2026-11-21T19:59:00Z'),
  until: new Date('2026-11-21T20:01:00Z'),
  reason: '23 of its last 30 calls failed (SIP 503)',
};
const why = (changes: Partial<CampaignFacts>) => whyNotDialling({ ...running, ...changes });

describe('why a campaign does not dial', () => {
  it('has no reason when nothing is in its way', () => {
    expect(why({})).toEqual([]);
  });

  it.each([
    [{ status: 'draft' }, 'not_started', 'it is a draft: start it'],
    [{ status: 'paused' }, 'paused', 'it is paused: resume it'],
    [{ status: 'completed' }, 'ended', 'it is completed'],
    [{ status: 'cancelled' }, 'ended', 'it is cancelled'],
    [{ startAt: new Date('2026-11-22T08:00:00Z') }, 'before_its_start', 'it starts at 2026-11-22T08:00:00Z'],
    [{ endAt: now }, 'after_its_end', 'its end was at 2026-11-21T20:00:00Z'],
    [{ waiting: [] }, 'nobody_waits', 'no contact waits for a call: the calls that are up are its last'],
    [
      { nodes: { ports: 0, inUse: 0, alive: 0, seenAt: new Date('2026-11-21T19:59:20Z') } },
      'no_node',
      'no node has been seen for 40 s: the operator must start "campanile serve" beside an Asterisk',
    ],
    [
      { nodes: { ports: 0, inUse: 0, alive: 0, seenAt: null } },
      'no_node',
      'there has never been a node: the operator must start "campanile serve" beside an Asterisk',
    ],
    [
      { untaken: { calls: 20, since: new Date('2026-11-21T19:59:20Z') } },
      'pbx_takes_no_calls',
      'the PBX has not taken 20 calls that it should have since 2026-11-21T19:59:20Z: the operator must see whether Asterisk runs, with pbx_spool, on the spool that "campanile doctor" names',
    ],
    [
      { waiting: [], untaken: { calls: 1, since: now } },
      'pbx_takes_no_calls',
      expect.stringContaining('has not taken a call that'),
    ],
    [
      { window: { ...WORKDAYS, zone: 'contact' } },
      'outside_window',
      '812 contacts: outside its window until Mon 09:00 (Europe/Berlin)',
    ],
    [
      { window: { ...WORKDAYS, zone: 'contact' }, waiting: [{ zones: [], contacts: 1 }] },
      'zone_unknown',
      "1 contact: the contact's time zone is not known",
    ],
    [
      { retriesLater: { contacts: 812, nextAt: new Date('2026-11-21T20:05:00Z') } },
      'waiting_for_retry',
      '812 contacts, all that are left, wait for their retry, the first at 2026-11-21T20:05:00Z',
    ],
    [
      { retriesLater: { contacts: 2, nextAt: new Date('2026-11-21T20:05:00Z') } },
      'waiting_for_retry',
      '2 contacts wait for their retry, the first at 2026-11-21T20:05:00Z',
    ],
    [
      {
        held: [
          { heldFor: 'frequency_cap', contacts: 2, nextAt: new Date('2026-11-22T08:00:00Z'), problem: null },
        ],
      },
      'frequency_cap',
      '2 contacts: called as often as the tenant’s frequency caps allow; to be called again from 2026-11-22T08:00:00Z on',
    ],
    [
      {
        held: [
          { heldFor: 'silent_call', contacts: 1, nextAt: new Date('2026-11-26T20:00:00Z'), problem: null },
        ],
      },
      'silent_call',
      '1 contact: the last call to the number was answered and silent; to be called again from 2026-11-26T20:00:00Z on',
    ],
    [
      { limits: { ...running.limits, tenant: { ports: 20, inUse: 20 } } },
      'tenant_ports',
      'all 20 ports of the tenant are in use',
    ],
    [
      { limits: { ...running.limits, campaign: { ports: 1, inUse: 1 } } },
      'campaign_ports',
      'the one port of the campaign is in use',
    ],
    [
      { trunks: [{ ...main, own: { ports: 0, inUse: 0 } }] },
      'trunk_ports',
      'the trunk has no ports: the limit is 0',
    ],
    [{ nodes: { ...running.nodes, inUse: 100 } }, 'node_ports', 'all 100 ports of the node are in use'],
    [
      { trunks: [{ ...main, pbxTrunk: full }] },
      'pbx_trunk_ports',
      "all 20 ports of the PBX's trunk, which others may use as well, are in use",
    ],
    [{ trunks: [{ ...main, problem: 'no transport for tls' }] }, 'trunk_not_ready', 'no transport for tls'],
    [
      { trunks: [{ ...main, resting }] },
      'trunk_resting',
      'the trunk rests since 2026-11-21T19:59:00Z until 2026-11-21T20:01:00Z: 23 of its last 30 calls failed (SIP 503)',
    ],
    [
      { trunks: [{ ...main, resting: { ...resting, until: now } }] },
      'trunk_resting',
      'the trunk rests since 2026-11-21T19:59:00Z and only a few calls are tried on it now: 23 of its last 30 calls failed (SIP 503)',
    ],
    [{ callsPerSecond: 2.5 }, 'calls_per_second', 'no more than 2.5 calls a second are allowed'],
  ] as [Partial<CampaignFacts>, string, string][])('%j is %s', (changes, code, text) => {
    expect(why(changes)).toEqual([{ code, text }]);
  });

  it('tells of each trunk that is passed over, and of full ones when no other is left', () => {
    const reasons = (...trunks: Partial<TrunkInCampaign>[]) =>
      why({ trunks: trunks.map((t, i) => ({ ...main, name: `No. ${i + 1}`, ...t })) }).map((r) => r.text);
    expect(reasons({ own: full }, {})).toEqual([]);
    expect(reasons({ own: full }, { own: full })).toEqual([
      'all 20 ports of the trunk "No. 1" are in use',
      'all 20 ports of the trunk "No. 2" are in use',
    ]);
    expect(reasons({ resting }, { pbxTrunk: full }, { problem: 'no transport' })).toEqual([
      'the trunk "No. 1" rests since 2026-11-21T19:59:00Z until 2026-11-21T20:01:00Z: 23 of its last 30 calls failed (SIP 503)',
      'the trunk "No. 3": no transport',
      `all 20 ports of the PBX's trunk of the trunk "No. 2", which others may use as well, are in use`,
    ]);
  });

  it('has all reasons, what stops everybody first', () => {
    const codes = why({
      nodes: { ports: 0, inUse: 0, alive: 0, seenAt: null },
      window: { ...WORKDAYS, zone: 'contact' },
      waiting: [...running.waiting, { zones: [], contacts: 1 }],
      retriesLater: { contacts: 2, nextAt: now },
      limits: { ...running.limits, tenant: { ports: 3, inUse: 3 } },
      callsPerSecond: 1,
    }).map(({ code }) => code);
    expect(codes).toEqual([
      'no_node',
      'outside_window',
      'zone_unknown',
      'waiting_for_retry',
      'tenant_ports',
      'calls_per_second',
    ]);
  });
});
