import { whyClosed } from './opening.js';
import type { CampaignStatus, HeldFor } from './states.js';
import type { CallingWindow } from './window.js';

/** A limit of calls at once and how much of it is taken; `ports` null is no limit. */
export interface PortsInUse {
  ports: number | null;
  inUse: number;
}

/** Contacts that were due and may be called later only, and when the first of them may be. */
export interface HeldContacts {
  heldFor: HeldFor;
  contacts: number;
  nextAt: Date;
  /** What one of them met with, where it was a thing that may be different for each. */
  problem: string | null;
}

/** What there is to know of why a campaign dials, or does not, or not faster. */
export interface CampaignFacts {
  now: Date;
  status: CampaignStatus;
  /** Why it is paused, when that was not the tenant. */
  pausedReason: string | null;
  /** Its calls go to sandbox nodes, of which `nodes` and `untaken` tell then. */
  test: boolean;
  startAt: Date | null;
  endAt: Date | null;
  window: CallingWindow | null;
  /** Contacts that wait for a call, by the zones that they may be in. */
  waiting: readonly { zones: readonly string[]; contacts: number }[];
  /** Those among them whose retry is not due yet, and when the first of these is. */
  retriesLater: { contacts: number; nextAt: Date | null };
  held: readonly HeldContacts[];
  limits: Readonly<Record<'campaign' | 'tenant', PortsInUse>>;
  /** In their order. */
  trunks: readonly TrunkInCampaign[];
  /** Calls per second that bind, the least of all limits; null when there is none. */
  callsPerSecond: number | null;
  /** Nodes that are alive, their ports and what is in use of them, and when the last one was seen (null: never). */
  nodes: PortsInUse & { alive: number; seenAt: Date | null };
  /** Calls that were placed with the nodes that are alive and that their PBX has not taken, and since when; null: none. */
  untaken: { calls: number; since: Date } | null;
}

/** A trunk in a campaign's order. */
export interface TrunkInCampaign {
  name: string;
  own: PortsInUse;
  pbxTrunk: PortsInUse;
  /** What keeps it from being dialled through, for a person; null when nothing does. */
  problem: string | null;
  /** Null when it does not rest. After `until` a few calls are tried. */
  resting: { since: Date; until: Date; reason: string } | null;
}

/** One reason: a stable code for programs and a sentence for people. */
export interface Reason {
  code: string;
  text: string;
}

const HELD_BECAUSE = {
  frequency_cap: 'called as often as the tenant’s frequency caps allow',
  silent_call: 'the last call to the number was answered and silent',
  speech: 'their text could not be spoken',
} as const;

/**
 * Why a campaign is not dialling, or not dialling faster, the most important reason first. Empty when nothing stands in its
 * way.
 */
export function whyNotDialling(facts: CampaignFacts): Reason[] {
  const status = whyNotRunning(facts);
  if (status) return [status];
  const waiting = facts.waiting.reduce((sum, group) => sum + group.contacts, 0);
  const untaken = whyNotTaken(facts);
  if (untaken) return [untaken];
  if (waiting === 0) {
    const text = 'no contact waits for a call: the calls that are up are its last';
    return [{ code: 'nobody_waits', text }];
  }
  return [
    ...whyNobodyDials(facts),
    ...whyNotOnTrunks(facts),
    ...whyNobodyIsDue(facts, waiting),
    ...whyNotFaster(facts),
  ];
}

function whyNotRunning({ status, pausedReason, startAt, endAt, now }: CampaignFacts): Reason | null {
  if (status === 'draft') return { code: 'not_started', text: 'it is a draft: start it' };
  if (status === 'paused' && pausedReason !== null)
    return { code: 'paused_by_campanile', text: `it was paused: ${pausedReason}; resume it` };
  if (status === 'paused') return { code: 'paused', text: 'it is paused: resume it' };
  if (status !== 'running') return { code: 'ended', text: `it is ${status}` };
  if (endAt && endAt <= now) return { code: 'after_its_end', text: `its end was at ${at(endAt)}` };
  if (startAt && startAt > now) return { code: 'before_its_start', text: `it starts at ${at(startAt)}` };
  return null;
}

function whyNobodyDials({ nodes, test, now }: CampaignFacts): Reason[] {
  if (nodes.alive > 0) return [];
  const kind = test ? 'sandbox node' : 'node';
  const todo = test
    ? 'a test is called by no other: the operator must run "campanile serve" without CAMPANILE_TEST_MODE=off'
    : 'the operator must start "campanile serve" beside an Asterisk';
  const text = nodes.seenAt
    ? `no ${kind} has been seen for ${Math.round((now.getTime() - nodes.seenAt.getTime()) / 1000)} s: ${todo}`
    : `there has never been a ${kind}: ${todo}`;
  return [{ code: 'no_node', text }];
}

function whyNotTaken({ untaken, test }: CampaignFacts): Reason | null {
  if (!untaken) return null;
  const todo = test
    ? 'the log of "campanile serve" says why the sandbox does not take them'
    : 'the operator must see whether Asterisk runs, with pbx_spool, on the spool that "campanile doctor" names';
  const text = `the ${test ? 'sandbox' : 'PBX'} has not taken ${untaken.calls === 1 ? 'a call' : `${untaken.calls} calls`} that it should have since ${at(untaken.since)}: ${todo}`;
  return { code: 'pbx_takes_no_calls', text };
}

/** Trunks that are passed over, whether or not another takes their calls. */
function whyNotOnTrunks({ trunks, now }: CampaignFacts): Reason[] {
  return trunks.flatMap(({ name, problem, resting }) => {
    const which = trunks.length === 1 ? 'the trunk' : `the trunk ${JSON.stringify(name)}`;
    if (problem !== null)
      return [{ code: 'trunk_not_ready', text: trunks.length === 1 ? problem : `${which}: ${problem}` }];
    if (!resting) return [];
    const until =
      resting.until > now ? `until ${at(resting.until)}` : 'and only a few calls are tried on it now';
    const text = `${which} rests since ${at(resting.since)} ${until}: ${resting.reason}`;
    return [{ code: 'trunk_resting', text }];
  });
}

/** Full trunks are a reason when no trunk has a port left. */
function whyTrunksAreFull({ trunks }: CampaignFacts): Reason[] {
  const reasons = trunks
    .filter(({ problem, resting }) => problem === null && resting === null)
    .map(({ name, own, pbxTrunk }) => {
      const which = trunks.length === 1 ? 'the trunk' : `the trunk ${JSON.stringify(name)}`;
      const whose = trunks.length === 1 ? "the PBX's trunk" : `the PBX's trunk of ${which}`;
      const texts = {
        trunk_ports: whyFull(own, which),
        pbx_trunk_ports: whyFull(pbxTrunk, `${whose}, which others may use as well,`),
      };
      return Object.entries(texts).flatMap(([code, text]) => (text === null ? [] : [{ code, text }]));
    });
  return reasons.every((own) => own.length > 0) ? reasons.flat() : [];
}

function whyNobodyIsDue({ window, waiting, retriesLater, held, now }: CampaignFacts, all: number): Reason[] {
  const reasons: Reason[] = [];
  for (const { zones, contacts } of window ? waiting : []) {
    const why = whyClosed(window!, zones, now);
    if (why === null) continue;
    const code = window!.zone === 'contact' && zones.length === 0 ? 'zone_unknown' : 'outside_window';
    reasons.push({ code, text: `${people(contacts)}: ${why}` });
  }
  if (retriesLater.nextAt && retriesLater.contacts > 0) {
    const which = retriesLater.contacts === all ? ', all that are left,' : '';
    const text = `${people(retriesLater.contacts)}${which} wait for their retry, the first at ${at(retriesLater.nextAt)}`;
    reasons.push({ code: 'waiting_for_retry', text });
  }
  for (const { heldFor, contacts, nextAt, problem } of held) {
    const because = problem === null ? HELD_BECAUSE[heldFor] : `${HELD_BECAUSE[heldFor]} (${problem})`;
    const text = `${people(contacts)}: ${because}; to be called again from ${at(nextAt)} on`;
    reasons.push({ code: heldFor, text });
  }
  return reasons;
}

function whyNotFaster(facts: CampaignFacts): Reason[] {
  const { limits, nodes, callsPerSecond } = facts;
  const reasons = Object.entries(limits).flatMap(([name, limit]) => {
    const text = whyFull(limit, `the ${name}`);
    return text === null ? [] : [{ code: `${name}_ports`, text }];
  });
  reasons.push(...whyTrunksAreFull(facts));
  const full = nodes.alive > 0 ? whyFull(nodes, nodes.alive === 1 ? 'the node' : 'the nodes') : null;
  if (full) reasons.push({ code: 'node_ports', text: full });
  if (callsPerSecond !== null) {
    reasons.push({
      code: 'calls_per_second',
      text: `no more than ${callsPerSecond} calls a second are allowed`,
    });
  }
  return reasons;
}

function whyFull({ ports, inUse }: PortsInUse, whose: string): string | null {
  if (ports === null || inUse < ports) return null;
  if (ports === 0) return `${whose} has no ports: the limit is 0`;
  return ports === 1 ? `the one port of ${whose} is in use` : `all ${ports} ports of ${whose} are in use`;
}

function people(contacts: number): string {
  return contacts === 1 ? '1 contact' : `${contacts} contacts`;
}

function at(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z');
}
