import { estimateEnd, type Group } from '../../calls/estimate.js';
import { secondsOf } from '../../calls/flow/length.js';
import { messagesOf } from '../../calls/flow/texts.js';
import { nextOpening } from '../../calls/opening.js';
import { type TrunkInCampaign, whyNotDialling } from '../../calls/why.js';
import type { CallingWindow } from '../../calls/window.js';
import {
  countSkipped,
  findOwnFacts,
  type InstallationFacts,
  listHeld,
  listWaitingGroups,
  type OwnFacts,
  type SkipReason,
  type TrunkFacts,
} from '../../db/campaign-facts.js';
import { type Campaign, findCampaignById } from '../../db/campaigns.js';
import { findMissingFields, findNeededFields } from '../../db/contact-fields.js';
import { findFlowOf } from '../../db/flows.js';
import { findMessageSeconds } from '../../db/messages.js';
import { type TenantDatabase, transaction } from '../../db/pool.js';
import { checkSpeech } from '../check-speech.js';
import { notFound } from '../problem.js';
import { route } from '../route.js';
import { preview, why } from '../schemas/outlook.js';

export const getWhy = route({
  method: 'get',
  path: '/v1/campaigns/{id}/why',
  access: 'tenant',
  summary: 'Why a campaign is not dialling, or not faster, in plain sentences',
  answer: why,
  async handle({ db, tenant, id, installation }) {
    const { campaign, own, groups } = await findFacts(db, tenant.id, id);
    const held = await listHeld(db, tenant.id, id);
    const pbxTrunks = own.trunks.map(({ pbx_trunk }) => pbx_trunk);
    const common = await installation(pbxTrunks, campaign.test);
    const reasons = whyNotDialling({
      now: own.now,
      status: campaign.status,
      pausedReason: campaign.paused_reason,
      test: campaign.test,
      startAt: campaign.start_at,
      endAt: campaign.end_at,
      window: campaign.calling_window,
      waiting: groups,
      retriesLater: { contacts: own.retries_later, nextAt: own.next_retry_at },
      held,
      limits: {
        campaign: { ports: campaign.ports, inUse: own.campaign_in_use },
        tenant: { ports: own.tenant_ports, inUse: own.tenant_in_use },
      },
      trunks: own.trunks.map((trunk) => trunkOf(trunk, common)),
      callsPerSecond: rateOf(own, common),
      nodes: common.nodes,
      untaken: common.untaken,
    });
    return { test: campaign.test, dialling: own.campaign_in_use > 0, reasons };
  },
});

export const getPreview = route({
  method: 'get',
  path: '/v1/campaigns/{id}/preview',
  access: 'tenant',
  summary:
    'How many a campaign will call, whom it will skip and why, and when it will be through at the present limits',
  answer: preview,
  async handle({ db, tenant, id, installation }) {
    const { campaign, own, groups } = await findFacts(db, tenant.id, id);
    const skipped = await countSkipped(db, tenant.id, id);
    const countOf = (reason: SkipReason) => sum(skipped.filter((group) => group.reason === reason));
    const neverCalled = skipped.filter(({ reason }) => reason === 'suppressed' || reason === 'no_consent');
    const left = groups.map(({ zones, contacts }) => ({
      zones,
      contacts: contacts - sum(neverCalled.filter((group) => group.zones === zones.join(' '))),
    }));
    const from = campaign.start_at && campaign.start_at > own.now ? campaign.start_at : own.now;
    const sorted = sortOut(left, campaign.calling_window, from);
    const pbxTrunks = own.trunks.map(({ pbx_trunk }) => pbx_trunk);
    const heard = await secondsOfCalls(db, tenant.id, campaign);
    const speed = speedOf(campaign, own, heard, await installation(pbxTrunks, campaign.test));
    const needed = await findNeededFields(db, tenant.id, campaign);
    const speech = await checkSpeech(db, tenant.id, campaign);
    const unspeakable = sum(speech?.problems ?? []);
    const { endsAt, expired } = estimateEnd({
      groups: sorted.callable,
      window: campaign.calling_window,
      perSecond: speed.calls_per_second,
      from,
      endAt: campaign.end_at,
    });
    return {
      test: campaign.test,
      will_dial: Math.max(0, sum(sorted.callable) - expired - unspeakable),
      skipped: {
        suppressed: countOf('suppressed'),
        no_consent: countOf('no_consent'),
        unspeakable,
        zone_unknown: sum(sorted.unknown),
        never_open: sum(sorted.never),
      },
      later: { frequency_cap: countOf('frequency_cap'), silent_call: countOf('silent_call') },
      missing_fields: await findMissingFields(db, tenant.id, id, needed),
      speech,
      estimate: { ends_at: endsAt, expired, ...speed },
    };
  },
});

async function findFacts(
  db: TenantDatabase,
  tenantId: string,
  id: string,
): Promise<{ campaign: Campaign; own: OwnFacts; groups: Group[] }> {
  return transaction(db, async (tx) => {
    const campaign = await findCampaignById(tx, tenantId, id);
    const own = await findOwnFacts(tx, tenantId, id);
    if (!campaign || !own) throw notFound('campaign');
    const groups = await listWaitingGroups(tx, tenantId, id);
    return {
      campaign,
      own,
      groups: groups.map((g) => ({ ...g, zones: g.zones === '' ? [] : g.zones.split(' ') })),
    };
  });
}

/** Of a flow that was deleted nothing is known. */
const USUAL_SECONDS = 20;

async function secondsOfCalls(db: TenantDatabase, tenantId: string, campaign: Campaign): Promise<number> {
  const flow = await findFlowOf(db, tenantId, campaign);
  if (!flow) return USUAL_SECONDS;
  const ids = messagesOf(flow).map((named) => named.id);
  return secondsOf(flow, await findMessageSeconds(db, tenantId, ids));
}

function trunkOf(trunk: TrunkFacts, { pbxTrunks }: InstallationFacts): TrunkInCampaign {
  const { name, ports, in_use, resting } = trunk;
  return {
    name,
    own: { ports, inUse: in_use },
    pbxTrunk: pbxTrunks.get(trunk.pbx_trunk) ?? { ports: null, inUse: 0 },
    problem: problemOf(trunk),
    resting: resting && { ...resting, since: new Date(resting.since), until: new Date(resting.until) },
  };
}

function problemOf({ caller_id_allowed, account_ready, account_problem }: TrunkFacts): string | null {
  if (!caller_id_allowed)
    return "the campaign's caller id is none of those that the trunk may show: change either";
  if (account_ready) return null;
  return account_problem ?? "no node has taken the trunk's SIP account in yet";
}

/** A limit over all trunks: what those on the same PBX trunk allow together, but no more than that one does. */
function overTrunks(
  trunks: readonly TrunkFacts[],
  limitOf: (trunk: TrunkFacts) => number | null,
  commonOf: (pbxTrunk: string) => number | null | undefined,
): number | null {
  const sums = [...new Set(trunks.map(({ pbx_trunk }) => pbx_trunk))].map((name) => {
    const limits = trunks.filter(({ pbx_trunk }) => pbx_trunk === name).map(limitOf);
    return least(total(limits), commonOf(name) ?? null);
  });
  return total(sums);
}

function rateOf(own: OwnFacts, { pbxTrunks, callsPerSecond }: InstallationFacts): number | null {
  const overAll = overTrunks(
    own.trunks,
    (trunk) => trunk.calls_per_second,
    (name) => pbxTrunks.get(name)?.callsPerSecond,
  );
  return least(least(own.calls_per_second, callsPerSecond), overAll);
}

/** Groups by whether the window ever opens for them. */
function sortOut(groups: readonly Group[], window: CallingWindow | null, from: Date) {
  const unknown = window?.zone === 'contact' ? groups.filter(({ zones }) => zones.length === 0) : [];
  const known = groups.filter((group) => !unknown.includes(group));
  const never = window ? known.filter(({ zones }) => nextOpening(window, zones, from) === null) : [];
  return { unknown, never, callable: known.filter((group) => !never.includes(group)) };
}

/** What the campaign may do at most, if nobody else dials. */
function speedOf(campaign: Campaign, own: OwnFacts, heardSeconds: number, common: InstallationFacts) {
  const { pbxTrunks, nodes } = common;
  const trunkPorts = overTrunks(
    own.trunks,
    (trunk) => trunk.ports,
    (name) => pbxTrunks.get(name)?.ports,
  );
  const limits = [campaign.ports, own.tenant_ports, trunkPorts, nodes.ports];
  const ports = Math.min(...limits.filter((limit) => limit !== null));
  const seconds = campaign.ring_seconds / 2 + heardSeconds;
  return {
    ports: nodes.alive === 0 ? null : ports,
    calls_per_second: least(ports / seconds, rateOf(own, common))!,
    seconds_per_call: seconds,
  };
}

function least(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.min(one, other);
}

/** The sum of limits; null when one of them is none. */
function total(limits: readonly (number | null)[]): number | null {
  return limits.reduce<number | null>(
    (sum, limit) => (sum === null || limit === null ? null : sum + limit),
    0,
  );
}

function sum(groups: readonly { contacts: number }[]): number {
  return groups.reduce((total, { contacts }) => total + contacts, 0);
}
