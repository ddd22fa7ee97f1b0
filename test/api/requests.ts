import type { Route } from '../../src/api/route.js';
import type { Sent } from './client.js';
import { bells, type Equipped, flowBody, numbers, suppressedNumber, unknownId } from './fixtures.js';

/** A request that would do what the route is for. */
export function validRequest(
  route: Route,
  ids: { campaign: string; owner: Equipped; import?: string; try?: string; attempt?: string },
): { path: string; sent: Sent } {
  const noun = /^\/v1\/([\w-]+)/.exec(route.path)?.[1] ?? '';
  const id = {
    tenants: ids.owner.id,
    trunks: ids.owner.trunkId,
    messages: ids.owner.messageId,
    flows: ids.owner.flowId,
    'transfer-destinations': ids.owner.destinationId,
    recordings: ids.owner.recordingId,
    campaigns: ids.campaign,
    'suppression-lists': ids.owner.listId,
    'api-keys': ids.owner.keyId,
    attempts: ids.attempt ?? unknownId,
    imports: ids.import ?? unknownId,
    tries: ids.try ?? unknownId,
    erasures: ids.owner.erasureId,
    'installation-erasures': unknownId,
    webhooks: ids.owner.webhookId,
    'webhook-deliveries': ids.owner.deliveryId,
  }[noun];
  const path = route.path.replace('{id}', id ?? '').replace('{name}', 'carrier1');
  const bodies: Record<string, unknown> = {
    'post /v1/tenants': { name: 'New', ports: 1 },
    'patch /v1/tenants/{id}': { name: 'Changed' },
    'post /v1/trunks': { name: 'New', template: 'direct', pbx_trunk: 'carrier1', ports: 1 },
    'patch /v1/trunks/{id}': { name: 'Changed' },
    'post /v1/transfer-destinations': { name: 'New', kind: 'number', target: '+4930123457', ports: 1 },
    'patch /v1/transfer-destinations/{id}': { name: 'Changed' },
    'put /v1/pbx-trunks/{name}': { ports: 7, calls_per_second: null },
    'post /v1/campaigns': { name: 'New', trunk_ids: [ids.owner.trunkId], message_id: ids.owner.messageId },
    'post /v1/flows': flowBody(ids.owner.messageId),
    'post /v1/flows/check': flowBody(ids.owner.messageId),
    'post /v1/flows/{id}/try': { number: numbers(1, 700)[0], trunk_id: ids.owner.trunkId },
    'put /v1/flows/{id}': flowBody(ids.owner.messageId, 'Changed'),
    'post /v1/api-keys': { name: 'New', role: 'viewer' },
    'post /v1/webhooks': { url: 'https://203.0.113.7/new' },
    'patch /v1/webhooks/{id}': { enabled: false },
    'post /v1/suppression-lists': { name: 'New' },
    'patch /v1/suppression-lists/{id}': { name: 'Changed' },
    'post /v1/suppression-lists/{id}/numbers': numbers(1, 700),
    'post /v1/installation-suppressions': numbers(1, 700),
    'post /v1/erasures': { number: numbers(1)[0] },
    'post /v1/installation-erasures': { number: numbers(1, 700)[0] },
    'patch /v1/campaigns/{id}': { ports: 7 },
    'post /v1/campaigns/{id}/copy': {},
    'post /v1/campaigns/{id}/contacts': [{ number: numbers(1, 500)[0] }],
  };
  if (route.path === '/v1/messages' && route.method === 'post') {
    return { path: `${path}?name=New`, sent: { body: bells, type: 'audio/wav' } };
  }
  if (route.method === 'delete' && /(numbers|installation-suppressions)$/.test(route.path)) {
    return { path: `${path}?number=${encodeURIComponent(suppressedNumber)}`, sent: {} };
  }
  if (route.path === '/v1/report') {
    return { path: `${path}?from=2026-11-01T00:00:00Z&to=2026-12-01T00:00:00Z`, sent: {} };
  }
  if (route.path.endsWith('/events')) return { path: `${path}?follow=false`, sent: {} };
  if (route.path.endsWith('/imports') && route.method === 'post') {
    return { path, sent: { body: `number\n${numbers(1, 500)[0]}\n`, type: 'text/csv' } };
  }
  return { path, sent: { body: bodies[`${route.method} ${route.path}`] } };
}
