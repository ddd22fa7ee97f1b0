import { type ApiClient, createApiClient } from './api-client.js';
import { chimeWav } from './chime.js';
import { type DemoContact, RETRY } from './kinds.js';

export const MESSAGE_SECONDS = 2.4;
export const RING_SECONDS = 5;
/** The PJSIP endpoint that leads to the far end. */
export const PBX_TRUNK = 'far';

export interface DemoCampaign {
  /** The API with the tenant's own token. */
  api: ApiClient;
  token: string;
  /** `/v1/campaigns/<id>` */
  path: string;
}

/** What the API gives out tokens for; `campanile token` issues the same. */
export type IssueToken = (grant: { tenantId: string } | { admin: true }) => string;

/**
 * Creates tenant and trunk as the operator, then message, campaign and contacts as the tenant, all through the HTTP API
 * at `baseUrl`. The campaign is not started yet.
 */
export async function createDemoCampaign(
  baseUrl: string,
  issueToken: IssueToken,
  contacts: readonly DemoContact[],
  ports: number,
): Promise<DemoCampaign> {
  const operator = createApiClient(baseUrl, issueToken({ admin: true }));
  const tenant = await operator.post<{ id: string }>('/v1/tenants', {
    name: 'Demo',
    ports,
    requests_per_minute: null, // it looks several times a second
  });
  await operator.put(`/v1/pbx-trunks/${PBX_TRUNK}`, { ports, calls_per_second: null });
  const trunk = await operator.post<{ id: string }>(`/v1/trunks?tenant_id=${tenant.id}`, {
    name: 'far end',
    template: 'direct',
    pbx_trunk: PBX_TRUNK,
    ports,
  });

  const token = issueToken({ tenantId: tenant.id });
  const api = createApiClient(baseUrl, token);
  const message = await api.post<{ id: string }>('/v1/messages?name=chime', chimeWav(MESSAGE_SECONDS));
  const { id } = await api.post<{ id: string }>('/v1/campaigns', {
    name: 'Demo',
    trunk_ids: [trunk.id],
    message_id: message.id,
    caller_id: '+12125550100',
    ring_seconds: RING_SECONDS,
    retry: RETRY,
  });
  const path = `/v1/campaigns/${id}`;
  await api.post(`${path}/contacts`, {
    contacts: contacts.map(({ number, kind }) => ({ number, fields: { far_end: kind.title } })),
  });
  return { api, token, path };
}
