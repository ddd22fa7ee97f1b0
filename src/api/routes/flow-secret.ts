import { findFlowSecretState, upsertFlowSecret } from '../../db/flow-secrets.js';
import { route } from '../route.js';
import { flowSecret, flowSecretState } from '../schemas/flow-secret.js';
import { newWebhookSecret } from '../webhook-secret.js';

export const getFlowSecret = route({
  method: 'get',
  path: '/v1/flow-secret',
  access: 'tenant',
  summary: 'Whether the requests of webhook steps are signed',
  answer: flowSecretState,
  handle: ({ db, tenant }) => findFlowSecretState(db, tenant.id),
});

export const makeFlowSecret = route({
  method: 'post',
  path: '/v1/flow-secret',
  access: 'tenant',
  summary:
    'Make the secret that requests of webhook steps are signed with; the one before signs along for 24 hours',
  answer: flowSecret,
  handle({ change, tenant, webhooks }) {
    const secret = newWebhookSecret();
    const sealed = webhooks.secrets.seal(tenant.id, tenant.id, secret);
    return change(async (tx) => ({
      secret,
      old_secret_until: await upsertFlowSecret(tx, tenant.id, sealed),
    }));
  },
});
