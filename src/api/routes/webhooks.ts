import {
  countWebhooks,
  deleteWebhook,
  findWebhookById,
  insertWebhook,
  listWebhooks,
  updateWebhook,
  updateWebhookSecret,
} from '../../db/webhooks.js';
import { CampanileError } from '../../errors.js';
import { newId } from '../../ids.js';
import { FieldsInvalid, notFound } from '../problem.js';
import { route, type Services } from '../route.js';
import { listOf, listSchema, pageOf, pageQuery } from '../schemas/common.js';
import { createdWebhook, newWebhook, webhook, webhookChanges } from '../schemas/webhook.js';
import { whyNotOfTheInternet } from '../sip-host.js';
import { newWebhookSecret } from '../webhook-secret.js';

/** The claim of deliveries looks at each webhook. */
const MOST_WEBHOOKS = 20;

export const createWebhook = route({
  method: 'post',
  path: '/v1/webhooks',
  access: 'tenant',
  summary: 'Have events sent to a URL; the answer alone shows the secret that they are signed with',
  body: newWebhook,
  status: 201,
  answer: createdWebhook,
  problems: ['too_many_webhooks'],
  async handle({ change, tenant, body, webhooks }) {
    await checkUrl(body.url, webhooks);
    const id = newId();
    const secret = newWebhookSecret();
    const sealedSecret = webhooks.secrets.seal(tenant.id, id, secret);
    return change(async (tx) => {
      if ((await countWebhooks(tx, tenant.id)) >= MOST_WEBHOOKS) {
        throw new CampanileError(
          'too_many_webhooks',
          `a tenant may have ${MOST_WEBHOOKS} webhooks: delete one`,
        );
      }
      return { ...(await insertWebhook(tx, tenant.id, { id, ...body, sealedSecret })), secret };
    });
  },
});

export const getWebhooks = route({
  method: 'get',
  path: '/v1/webhooks',
  access: 'tenant',
  summary: 'List the webhooks',
  query: pageQuery,
  answer: listSchema(webhook),
  async handle({ db, tenant, query }) {
    const rows = await listWebhooks(db, tenant.id, pageOf(query));
    return listOf(rows, query, (row) => row.id);
  },
});

export const getWebhook = route({
  method: 'get',
  path: '/v1/webhooks/{id}',
  access: 'tenant',
  summary: 'Show a webhook, but not its secret',
  answer: webhook,
  async handle({ db, tenant, id }) {
    return (await findWebhookById(db, tenant.id, id)) ?? missing();
  },
});

export const changeWebhook = route({
  method: 'patch',
  path: '/v1/webhooks/{id}',
  access: 'tenant',
  summary: 'Change a webhook, disable it or enable it again',
  body: webhookChanges,
  answer: webhook,
  async handle({ change, tenant, id, body, webhooks }) {
    if (body.url !== undefined) await checkUrl(body.url, webhooks);
    return change(async (tx) => (await updateWebhook(tx, tenant.id, id, body)) ?? missing());
  },
});

export const rotateWebhookSecret = route({
  method: 'post',
  path: '/v1/webhooks/{id}/rotate-secret',
  access: 'tenant',
  summary: 'Give a webhook another secret; the old one signs along for 24 hours',
  answer: createdWebhook,
  handle({ change, tenant, id, webhooks }) {
    const secret = newWebhookSecret();
    const sealed = webhooks.secrets.seal(tenant.id, id, secret);
    return change(async (tx) => {
      return { ...((await updateWebhookSecret(tx, tenant.id, id, sealed)) ?? missing()), secret };
    });
  },
});

export const deleteWebhookRoute = route({
  method: 'delete',
  path: '/v1/webhooks/{id}',
  access: 'tenant',
  summary: 'Delete a webhook with its deliveries',
  status: 204,
  answer: null,
  handle: ({ change, tenant, id }) =>
    change(async (tx) => {
      if (!(await deleteWebhook(tx, tenant.id, id))) missing();
    }),
});

/** Of what can be seen now: addresses are checked again when the connection is made, which is the real fence. */
async function checkUrl(text: string, { allowPrivateHosts }: Services['webhooks']): Promise<void> {
  if (allowPrivateHosts) return;
  const { protocol, hostname } = new URL(text);
  const why =
    protocol === 'https:'
      ? await whyNotOfTheInternet(hostname.replace(/^\[|\]$|\.$/g, ''))
      : 'is not https, which the operator of this installation would have to allow';
  if (why !== null) throw new FieldsInvalid([{ field: '/url', message: why }]);
}

function missing(): never {
  throw notFound('webhook');
}
