import { Gauge, type Registry } from 'prom-client';
import {
  countFullTenants,
  type DueNow,
  findWebhookBacklog,
  listDueNow,
  listNodePorts,
  listRunningCampaigns,
  listTrunkPorts,
  measureClock,
  type NodePorts,
  type RunningCampaign,
  type TrunkPorts,
  type WebhookBacklog,
} from '../db/monitoring.js';
import type { Pool } from '../db/pool.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { closedZonesOf } from '../scheduler/closed.js';
import { MOST_TRUNKS } from './trunk-labels.js';

/** A campaign that could call and begins no call for so long is stalled. */
const STALL_SECONDS = 60;
/** Deliveries counted of one webhook. */
const MOST_DELIVERIES = 1000;
/** However many scrape, the database is asked no more often. */
const KEPT_MS = 5000;

/** What the database tells of the whole installation. */
interface Installation {
  nodes: NodePorts[];
  trunks: { trunks: TrunkPorts[]; omitted: number };
  fullTenants: number;
  running: RunningCampaign[];
  due: DueNow[];
  webhooks: WebhookBacklog;
  clockOffsetMs: number;
}

/**
 * Makes the gauges of the whole installation, which are the same in every process; returns what reads them anew. When the
 * database does not answer they are gone, so that no alert believes what was so an hour ago.
 */
export function createInstallationGauges(registry: Registry, pool: Pool, log: Logger): () => Promise<void> {
  const registers = [registry];
  const gauge = <L extends string = never>(name: string, help: string, labelNames: L[] = []) =>
    new Gauge<L>({ name, help, labelNames, registers });
  const up = gauge('campanile_database_up', 'Whether the database answered what follows');
  const all = {
    clock: gauge(
      'campanile_clock_offset_seconds',
      'How far the clock of the database is ahead of that of this process',
    ),
    nodePorts: gauge('campanile_node_ports', 'Ports of a node', ['node']),
    nodeInUse: gauge('campanile_node_ports_in_use', 'Ports of a node that calls hold', ['node']),
    silent: gauge('campanile_node_silent_seconds', 'Since a node said that it is alive', ['node']),
    trunkPorts: gauge('campanile_trunk_ports', 'Ports of a trunk', ['trunk']),
    trunkInUse: gauge('campanile_trunk_ports_in_use', 'Ports of a trunk that calls hold, transfers too', [
      'trunk',
    ]),
    resting: gauge('campanile_trunk_resting', 'Whether a trunk rests because its calls failed', ['trunk']),
    omitted: gauge('campanile_trunks_omitted', 'Trunks in use that are not told one by one'),
    full: gauge('campanile_tenants_full', 'Tenants all of whose ports are in use'),
    running: gauge('campanile_campaigns_running', 'Running campaigns with contacts that wait', ['test']),
    waiting: gauge('campanile_contacts_waiting', 'Contacts that wait for a call in running campaigns', [
      'test',
    ]),
    due: gauge('campanile_campaigns_due', 'Campaigns with a contact that may be called now', ['test']),
    stalled: gauge(
      'campanile_campaigns_stalled',
      'Campaigns with a contact due and free ports all the way that have begun no call for a minute',
      ['test'],
    ),
    backlog: gauge('campanile_webhook_backlog', 'Webhook deliveries that are still to be sent'),
    oldest: gauge(
      'campanile_webhook_oldest_seconds',
      'Age of the oldest webhook delivery that is still to be sent',
    ),
  };
  let kept: { until: number; done: Promise<void> } | null = null;

  function show(found: Installation): void {
    all.clock.set(found.clockOffsetMs / 1000);
    for (const { name: node, ports, in_use, silent_seconds } of found.nodes) {
      all.nodePorts.set({ node }, ports);
      all.nodeInUse.set({ node }, in_use);
      all.silent.set({ node }, silent_seconds);
    }
    for (const { id: trunk, ports, in_use, resting } of found.trunks.trunks) {
      all.trunkPorts.set({ trunk }, ports);
      all.trunkInUse.set({ trunk }, in_use);
      all.resting.set({ trunk }, resting ? 1 : 0);
    }
    all.omitted.set(found.trunks.omitted);
    all.full.set(found.fullTenants);
    for (const test of [false, true]) showCampaigns(String(test), test, found);
    all.backlog.set(found.webhooks.deliveries);
    all.oldest.set(found.webhooks.oldest_seconds ?? 0);
  }

  function showCampaigns(label: string, test: boolean, { running, due }: Installation): void {
    const ours = running.filter((campaign) => campaign.test === test);
    const dueOfOurs = due.filter((campaign) => campaign.test === test);
    all.running.set({ test: label }, ours.length);
    all.waiting.set(
      { test: label },
      ours.reduce((sum, { waiting }) => sum + waiting, 0),
    );
    all.due.set({ test: label }, dueOfOurs.length);
    all.stalled.set({ test: label }, dueOfOurs.filter(({ stalled }) => stalled).length);
  }

  async function look(): Promise<void> {
    const found = await readInstallation(pool).catch((error: unknown) => {
      log.warn({ reason: messageOf(error) }, 'cannot read from the database what /metrics tells of it');
      return null;
    });
    up.set(found ? 1 : 0);
    for (const one of Object.values(all)) one.reset();
    if (found) return show(found);
    // reset() leaves those without labels at 0, which would be a claim.
    for (const one of [all.clock, all.omitted, all.full, all.backlog, all.oldest]) one.remove();
  }

  return () => {
    const now = performance.now();
    if (kept === null || now >= kept.until) kept = { until: now + KEPT_MS, done: look() };
    return kept.done;
  };
}

async function readInstallation(pool: Pool): Promise<Installation> {
  const clockOffsetMs = await measureClock(pool);
  const running = await listRunningCampaigns(pool);
  const { zones: closed } = closedZonesOf(running);
  const ids = running.map(({ campaign_id }) => campaign_id);
  return {
    clockOffsetMs,
    running,
    due: ids.length > 0 ? await listDueNow(pool, ids, closed, STALL_SECONDS) : [],
    nodes: await listNodePorts(pool),
    trunks: await listTrunkPorts(pool, MOST_TRUNKS),
    fullTenants: await countFullTenants(pool),
    webhooks: await findWebhookBacklog(pool, MOST_DELIVERIES),
  };
}
