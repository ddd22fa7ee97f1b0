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
}

/** What there is to know of why a campaign dials, or does not, or not faster. */
export interface CampaignFacts {
  now: Date;
  status: CampaignStatus;
  startAt: Date | null;
  endAt: Date | null;
  window: CallingWindow | null;
  /** Contacts that wait for a call, by the zones that they may be in. */
  waiting: readonly { zones: readonly string[]; contacts: number }[];
  /** Those among them whose retry is not due yet, and when the first of these is. */
  retriesLater: { contacts: number; nextAt: Date | null };
  held: readonly HeldContacts[];
  limits: Readonly<Record<'campaign' | 'tenant' | 'trunk' | 'pbx_trunk', PortsInUse>>;
  /** Calls per second that bind, the least of all limits; null when there is none. */
  callsPerSecond: number | null;
  /** Nodes that are alive, their ports and what is in use of them, and when the last one was seen (null: never). */
  nodes: PortsInUse & { alive: number; seenAt: Date | null };
  /** Calls that were placed with the nodes that are alive and that their PBX has not taken, and since when; null: none. */
  untaken: { calls: number; since: Date } | null;
  /** What keeps the trunk from being dialled through, for a person; null when nothing does. */
  trunkProblem: string | null;
}

/** One reason: a stable code for programs and a sentence for people. */
export interface Reason {
  code: string;
  text: string;
}

const LIMIT_NAMES = {
  campaign: 'the campaign',
  tenant: 'the tenant',
  trunk: 'the trunk',
  pbx_trunk: "the PBX's trunk, which others may use as well,",
} as const;

const HELD_BECAUSE = {
  frequency_cap: 'called as often as the tenant’s frequency caps allow',
  silent_call: 'the last call to the number was answered and silent',
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
  const { trunkProblem } = facts;
  const trunk = trunkProblem === null ? [] : [{ code: 'trunk_not_ready', text: trunkProblem }];
  return [...whyNobodyDials(facts), ...trunk, ...whyNobodyIsDue(facts, waiting), ...whyNotFaster(facts)];
}

function whyNotRunning({ status, startAt, endAt, now }: CampaignFacts): Reason | null {
  if (status === 'draft') return { code: 'not_started', text: 'it is a draft: start it' };
  if (status === 'paused') return { code: 'paused', text: 'it is paused: resume it' };
  if (status !== 'running') return { code: 'ended', text: `it is ${status}` };
  if (endAt && endAt <= now) return { code: 'after_its_end', text: `its end was at ${at(endAt)}` };
  if (startAt && startAt > now) return { code: 'before_its_start', text: `it starts at ${at(startAt)}` };
  return null;
}

function whyNobodyDials({ nodes, now }: CampaignFacts): Reason[] {
  if (nodes.alive > 0) return [];
  const text = nodes.seenAt
    ? `no node has been seen for ${Math.round((now.getTime() - nodes.seenAt.getTime()) / 1000)} s: the operator must start "campanile serve" beside an Asterisk`
    : 'there has never been a node: the operator must start "campanile serve" beside an Asterisk';
  return [{ code: 'no_node', text }];
}

function whyNotTaken({ untaken }: CampaignFacts): Reason | null {
  if (!untaken) return null;
  const text = `the PBX has not taken ${untaken.calls === 1 ? 'a call' : `${untaken.calls} calls`} that it should have since ${at(untaken.since)}: the operator must see whether Asterisk runs, with pbx_spool, on the spool that "campanile doctor" names`;
  return { code: 'pbx_takes_no_calls', text };
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
  for (const { heldFor, contacts, nextAt } of held) {
    const text = `${people(contacts)}: ${HELD_BECAUSE[heldFor]}; to be called again from ${at(nextAt)} on`;
    reasons.push({ code: heldFor, text });
  }
  return reasons;
}

function whyNotFaster({ limits, nodes, callsPerSecond }: CampaignFacts): Reason[] {
  const reasons = Object.entries(limits).flatMap(([name, limit]) => {
    const text = whyFull(limit, LIMIT_NAMES[name as keyof typeof LIMIT_NAMES]);
    return text === null ? [] : [{ code: `${name}_ports`, text }];
  });
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
