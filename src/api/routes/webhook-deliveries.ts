import { WEBHOOK_TEST } from '../../calls/event.js';
import {
  findDeliveryById,
  insertDeliveries,
  listDeliveries,
  notifyDeliveries,
  redeliver,
} from '../../db/webhook-deliveries.js';
import { findWebhookById, type Webhook } from '../../db/webhooks.js';
import { CampanileError } from '../../errors.js';
import { newId } from '../../ids.js';
import { notFound } from '../problem.js';
import { route } from '../route.js';
import { listOf, listSchema, pageOf, pageQuery } from '../schemas/common.js';
import { delivery, deliveryState } from '../schemas/webhook.js';

export const getDeliveries = route({
  method: 'get',
  path: '/v1/webhooks/{id}/deliveries',
  access: 'tenant',
  summary: 'List what was or is to be sent to a webhook in the last three days, the newest first',
  query: pageQuery.extend({ state: deliveryState.optional() }),
  answer: listSchema(delivery),
  async handle({ db, tenant, id, query }) {
    if (!(await findWebhookById(db, tenant.id, id))) throw notFound('webhook');
    const rows = await listDeliveries(db, tenant.id, id, query.state ?? null, pageOf(query));
    return listOf(rows, query, (row) => row.id);
  },
});

export const testWebhook = route({
  method: 'post',
  path: '/v1/webhooks/{id}/test',
  access: 'tenant',
  summary: 'Send a webhook.test event; its delivery tells what came of it',
  status: 201,
  answer: delivery,
  location: '/v1/webhook-deliveries/{id}',
  problems: ['webhook_disabled'],
  handle({ change, tenant, id: webhookId }) {
    const id = newId();
    return change(async (tx) => {
      checkEnabled(await findWebhookById(tx, tenant.id, webhookId));
      const time = new Date().toISOString();
      const event = { id, type: WEBHOOK_TEST, time, tenant_id: tenant.id, data: { webhook_id: webhookId } };
      const body = JSON.stringify(event);
      const [made] = await insertDeliveries(tx, [
        { tenantId: tenant.id, id, webhookId, eventId: id, type: WEBHOOK_TEST, body },
      ]);
      await notifyDeliveries(tx);
      return made ?? missing();
    });
  },
});

export const getDelivery = route({
  method: 'get',
  path: '/v1/webhook-deliveries/{id}',
  access: 'tenant',
  summary: 'Show what came of a delivery',
  answer: delivery,
  async handle({ db, tenant, id }) {
    const found = await findDeliveryById(db, tenant.id, id);
    if (!found) throw notFound('delivery');
    return found;
  },
});

export const redeliverDelivery = route({
  method: 'post',
  path: '/v1/webhook-deliveries/{id}/redeliver',
  access: 'tenant',
  summary: 'Send a delivery again at once, whatever came of it, with the same webhook-id',
  answer: delivery,
  problems: ['webhook_disabled'],
  handle: ({ change, tenant, id }) =>
    change(async (tx) => {
      const again = await redeliver(tx, tenant.id, id);
      if (!again) throw notFound('delivery');
      checkEnabled(await findWebhookById(tx, tenant.id, again.webhook_id));
      await notifyDeliveries(tx);
      return again;
    }),
});

/** Throws a CampanileError: 404, or 409 (`webhook_disabled`). */
function checkEnabled(found: Webhook | null): void {
  if (!found) missing();
  if (found.enabled) return;
  throw new CampanileError('webhook_disabled', 'the webhook is disabled: enable it first, with PATCH');
}

function missing(): never {
  throw notFound('webhook');
}
