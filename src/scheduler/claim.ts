import { callIdOf } from '../calls/call-id.js';
import { isSandbox } from '../calls/node-name.js';
import { type Bucket, refill, untilToken } from '../calls/pace.js';
import { type Candidate, type Grant, type Limit, sharePorts } from '../calls/share.js';
import {
  countOpenPorts,
  type DueCampaign,
  findDueCampaigns,
  type OpenPorts,
  type Taken,
  type TakenContact,
  takeDueContacts,
} from '../db/claim.js';
import type { ContentRef } from '../db/content.js';
import { findErasedContacts, suppressTakenContacts } from '../db/erasures.js';
import { completeCampaigns } from '../db/finish.js';
import type { NodeLimits } from '../db/nodes.js';
import { findPace, savePace } from '../db/pace.js';
import type { Tx } from '../db/pool.js';
import { refuseTakenContacts } from '../db/speech.js';
import type { HashNumber } from '../number-hash.js';
import { type Closed, closedZonesOf, NOTHING_CLOSED, sameZones } from './closed.js';
import { groupsOf, restEndsInMs, trialPortsOf, wayOf } from './ways.js';

/** A call to place: an attempt that the claim opened, with all that its call file needs. */
export interface ClaimedCall {
  callId: string;
  number: string;
  template: string;
  trunkId: string;
  pbxTrunk: string;
  callerId: string | null;
  ringSeconds: number;
  tenantId: string;
  campaignId: string;
  contactId: string;
  ordinal: number;
  content: ContentRef;
}

/** A claimed call that cannot be made, and why. */
export interface RefusedCall {
  callId: string;
  problem: string;
}

export interface Claim {
  calls: ClaimedCall[];
  /** Milliseconds until something that was not possible now may be: a retry is due, a token is there; null: unknown. */
  wakeInMs: number | null;
}

/** What one claim leaves to the next. */
export interface ClaimMemory {
  closed: Closed;
}

/** The node that claims: its limits, the call-file templates that it has, and how it knows the numbers of erased persons. */
export interface ClaimingNode extends NodeLimits {
  templates: readonly string[];
  hashNumber: HashNumber;
}

/** A limit in force: how many ports it has, how many are held, and its token bucket when it has a rate. */
interface Scope {
  /** Of tests "test node", "test tenant" and so on: they have their own. */
  scope: string;
  id: string;
  ports: number | null;
  rate: number | null;
  held: number;
}

/**
 * Claims due contacts for `node` within every limit, and opens an attempt for each; the transaction must have its turn
 * (src/db/turn.ts). `stage` runs inside of it, before anything is committed: a call whose file is not staged is not
 * claimed. It returns the calls that cannot be made, whose contacts are invalid then. `memory` keeps from one claim to the next where campaigns are closed, which hardly ever changes: only then must
 * the due contacts be counted again.
 */
export async function claimCalls(
  tx: Tx,
  node: ClaimingNode,
  stage: (calls: ClaimedCall[]) => Promise<RefusedCall[]>,
  memory: ClaimMemory = { closed: NOTHING_CLOSED },
): Promise<Claim> {
  const find = () => findDueCampaigns(tx, node.ports, node.templates, memory.closed.zones, node.name);
  const [open, found] = await Promise.all([countOpenPorts(tx, isSandbox(node.name)), find()]);
  const closed = closedZonesOf(found);
  const isRight = sameZones(closed, memory.closed);
  memory.closed = closed;
  const due = isRight ? found : await find();
  if (due.length === 0) return { calls: [], wakeInMs: null };
  const scopes = scopesOf(node, due, open);
  const buckets = await refillBuckets(tx, scopes);
  const limits = new Map<string, Limit>();
  for (const [key, scope] of scopes) limits.set(key, { free: freeOf(scope, buckets.get(key)) });
  const candidates = due.map((d) => candidateOf(d, node, open));
  const grants = sharePorts(candidates, limits);
  const { contacts: taken, skippedIn } = await take(tx, due, grants, node, closed);
  // fail point: contacts taken
  charge(taken, due, node, scopes, buckets);
  if (taken.length > 0 && buckets.size > 0) await savePaceOf(tx, scopes, buckets);
  const all = callsOf(taken, due);
  const refused = all.length > 0 ? await stage(all) : [];
  const refusedIn = await refuse(tx, taken, refused);
  const calls =
    refused.length === 0 ? all : all.filter(({ callId }) => !refused.some((r) => r.callId === callId));
  if (skippedIn.length + refusedIn.length === 0) {
    const wakes = [wakeInMs(due, candidates, scopes, buckets), closed.opensInMs, restEndsInMs(due)];
    const waits = wakes.filter((ms) => ms !== null);
    return { calls, wakeInMs: waits.length === 0 ? null : Math.min(...waits) };
  }
  // They may have been a campaign's last; and the ports they were meant to have are free.
  await completeCampaigns(tx, [...new Set([...skippedIn, ...refusedIn])]);
  return { calls, wakeInMs: 0 };
}

/** Undoes the claims of calls that cannot be made. Returns their campaigns. */
async function refuse(tx: Tx, taken: TakenContact[], refused: readonly RefusedCall[]): Promise<string[]> {
  if (refused.length === 0) return [];
  const problems = new Map(refused.map(({ callId, problem }) => [callId, problem]));
  const contacts = taken.flatMap((contact) => {
    const problem = problems.get(callIdOf(contact.tenant_id, contact.attempt_id));
    return problem === undefined ? [] : [{ contact, problem }];
  });
  await refuseTakenContacts(tx, contacts);
  return contacts.map(({ contact }) => contact.campaign_id);
}

function held(open: OpenPorts[], match: (o: OpenPorts) => boolean): number {
  let sum = 0;
  for (const o of open) if (match(o)) sum += o.held;
  return sum;
}

function limitKeys(d: DueCampaign, node: NodeLimits): string[] {
  return [`node ${node.name}`, `tenant ${d.tenant_id}`, `campaign ${d.campaign_id}`];
}

function scopesOf(node: NodeLimits, due: DueCampaign[], open: OpenPorts[]): Map<string, Scope> {
  const scopes = new Map<string, Scope>();
  const kind = isSandbox(node.name) ? 'test ' : '';
  const add = (
    scope: string,
    id: string,
    ports: number | null,
    rate: number | null,
    match: keyof OpenPorts,
  ) => {
    const key = `${scope} ${id}`;
    if (!scopes.has(key))
      scopes.set(key, { scope: kind + scope, id, ports, rate, held: held(open, (o) => o[match] === id) });
  };
  add('node', node.name, node.ports, node.callsPerSecond, 'node');
  for (const d of due) {
    add('tenant', d.tenant_id, d.tenant_ports, d.tenant_rate, 'tenant_id');
    add('campaign', d.campaign_id, d.campaign_ports, d.campaign_rate, 'campaign_id');
    for (const t of d.trunks) {
      add('pbx_trunk', t.pbx_trunk, t.pbx_trunk_ports, t.pbx_trunk_rate, 'pbx_trunk');
      add('trunk', t.trunk_id, t.ports, t.rate, 'trunk_id');
      const trials = { scope: 'trials', id: t.trunk_id, ports: trialPortsOf(t), rate: null, held: t.trials };
      scopes.set(`trials ${t.trunk_id}`, trials);
    }
  }
  return scopes;
}

function candidateOf(d: DueCampaign, node: ClaimingNode, open: OpenPorts[]): Candidate {
  return {
    tenant: d.tenant_id,
    campaign: d.campaign_id,
    weight: d.weight,
    groups: groupsOf(d, node.templates),
    inUse: held(open, (o) => o.campaign_id === d.campaign_id),
    limits: limitKeys(d, node),
  };
}

async function refillBuckets(tx: Tx, scopes: Map<string, Scope>): Promise<Map<string, Bucket>> {
  const paced = [...scopes].filter(([, s]) => s.rate !== null);
  if (paced.length === 0) return new Map();
  const found = await findPace(
    tx,
    paced.map(([, s]) => s),
  );
  const rows = new Map(found.map((r) => [`${r.scope} ${r.id}`, r]));
  return new Map(
    paced.map(([key, s]) => {
      const row = rows.get(`${s.scope} ${s.id}`);
      // Only the age counts, and that is by the database's clock: so any "now" will do.
      return [key, refill(row ? { tokens: row.tokens, refilledAt: -row.age_ms } : null, s.rate!, 0)];
    }),
  );
}

function portsFreeOf(scope: Scope): number {
  return scope.ports === null ? Infinity : scope.ports - scope.held;
}

function freeOf(scope: Scope, bucket: Bucket | undefined): number {
  const ports = portsFreeOf(scope);
  return Math.max(0, bucket ? Math.min(ports, Math.floor(bucket.tokens)) : ports);
}

async function take(
  tx: Tx,
  due: DueCampaign[],
  granted: readonly Grant[],
  node: ClaimingNode,
  closed: Closed,
): Promise<Taken> {
  if (granted.length === 0) return { contacts: [], skippedIn: [] };
  const byCampaign = new Map(due.map((d) => [d.campaign_id, d]));
  const grants = granted.map(({ campaign, trunkFrom, trunk, count }) => {
    const { tenant_id, trunks } = byCampaign.get(campaign)!;
    const pbxTrunk = trunks.find((t) => t.trunk_id === trunk)!.pbx_trunk;
    return { tenantId: tenant_id, campaignId: campaign, trunkFrom, trunkId: trunk, pbxTrunk, count };
  });
  const taken = await takeDueContacts(tx, grants, node.name, closed.zones);
  return withoutErased(tx, due, taken, node);
}

/** Of erased persons only the hash of the number is known, and the key of that is not in the database: so it is asked here. */
async function withoutErased(tx: Tx, due: DueCampaign[], taken: Taken, node: ClaimingNode): Promise<Taken> {
  const doubtful = new Set(due.filter((d) => d.erased).map((d) => d.campaign_id));
  const asked = taken.contacts.filter((contact) => doubtful.has(contact.campaign_id));
  if (asked.length === 0) return taken;
  const hashes = asked.map((contact) => node.hashNumber(contact.number));
  const erased = await findErasedContacts(tx, asked, hashes);
  if (erased.length === 0) return taken;
  await suppressTakenContacts(tx, erased);
  return {
    contacts: taken.contacts.filter((contact) => !erased.includes(contact)),
    skippedIn: [...new Set([...taken.skippedIn, ...erased.map((contact) => contact.campaign_id)])],
  };
}

/** Puts what was taken on the account of every limit that it draws on. */
function charge(
  taken: TakenContact[],
  due: DueCampaign[],
  node: NodeLimits,
  scopes: Map<string, Scope>,
  buckets: Map<string, Bucket>,
): void {
  const byCampaign = new Map(due.map((d) => [d.campaign_id, d]));
  for (const { campaign_id, trunk_id } of taken) {
    const d = byCampaign.get(campaign_id)!;
    const way = wayOf(d.trunks.find((t) => t.trunk_id === trunk_id)!);
    for (const key of [...limitKeys(d, node), ...way.limits]) {
      scopes.get(key)!.held += 1;
      const bucket = buckets.get(key);
      if (bucket) bucket.tokens -= 1;
    }
  }
}

async function savePaceOf(tx: Tx, scopes: Map<string, Scope>, buckets: Map<string, Bucket>): Promise<void> {
  await savePace(
    tx,
    [...buckets].map(([key, { tokens }]) => ({ ...scopes.get(key)!, tokens })),
  );
}

function callsOf(taken: TakenContact[], due: DueCampaign[]): ClaimedCall[] {
  const byCampaign = new Map(due.map((d) => [d.campaign_id, d]));
  return taken.map((t) => {
    const d = byCampaign.get(t.campaign_id)!;
    const trunk = d.trunks.find((one) => one.trunk_id === t.trunk_id)!;
    return {
      callId: callIdOf(t.tenant_id, t.attempt_id),
      number: t.number,
      template: trunk.template,
      trunkId: t.trunk_id,
      pbxTrunk: trunk.pbx_trunk,
      callerId: trunk.caller_id,
      ringSeconds: d.ring_seconds,
      tenantId: t.tenant_id,
      campaignId: t.campaign_id,
      contactId: t.contact_id,
      ordinal: t.ordinal,
      content: contentOf(d),
    };
  });
}

function contentOf(d: DueCampaign): ContentRef {
  return {
    tenantId: d.tenant_id,
    messageId: d.message_id,
    flowId: d.flow_id,
    flowVersion: d.flow_version,
    optOutKey: d.opt_out_key,
    machine: d.machine_detection,
  };
}

/**
 * When a campaign could start its next call, if only time stands in its way: no contact of it is due, or a token is
 * missing. One without a free port is woken by the port that comes free, and looking earlier would find nothing.
 */
function wakeInMs(
  due: DueCampaign[],
  candidates: readonly Candidate[],
  scopes: Map<string, Scope>,
  buckets: Map<string, Bucket>,
): number | null {
  const waits: number[] = [];
  for (const [i, { groups, limits }] of candidates.entries()) {
    for (const group of groups) {
      const untilDue = group.due > 0 ? 0 : null;
      const untilNext = group.trunkFrom === 1 ? due[i]!.next_due_ms : null;
      for (const way of group.ways) {
        const keys = [...limits, ...way.limits];
        if (keys.some((key) => portsFreeOf(scopes.get(key)!) < 1)) continue;
        const untilTokens = keys.map((key) => {
          const bucket = buckets.get(key);
          return bucket ? untilToken(bucket, scopes.get(key)!.rate!) : 0;
        });
        for (const until of [untilDue, untilNext])
          if (until !== null) waits.push(Math.max(until, ...untilTokens));
      }
    }
  }
  const later = waits.filter((ms) => ms > 0);
  return later.length === 0 ? null : Math.min(...later);
}
