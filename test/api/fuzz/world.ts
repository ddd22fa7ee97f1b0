import { issueToken } from '../../../src/api/token.js';
import { type ApiFixture, adminToken, secret } from '../client.js';
import {
  addContacts,
  createCampaign,
  createEquipped,
  createImport,
  createTry,
  type Equipped,
  insertAttempt,
  insertInboundCall,
  numbers,
} from '../fixtures.js';

/** A tenant with one of everything. */
export interface World {
  owner: Equipped;
  campaign: string;
  import: string;
  try: string;
  attempt: string;
  viewer: string;
}

export async function createWorld(api: ApiFixture): Promise<World> {
  const owner = await createEquipped(api, { requests_per_minute: null, default_region: 'DE' });
  const campaign = await createCampaign(api, owner);
  await addContacts(api, owner, campaign, numbers(3));
  const { attemptId } = await insertAttempt(api, owner, campaign);
  await insertInboundCall(api, owner, campaign);
  await api.send('PUT', '/v1/pbx-trunks/carrier1', {
    token: adminToken,
    body: { ports: 9, calls_per_second: null },
  });
  return {
    owner,
    campaign,
    attempt: attemptId,
    import: await createImport(api, owner, campaign),
    try: await createTry(api, owner),
    viewer: issueToken(secret, { tenantId: owner.id, viewer: true }, 3600),
  };
}

/** Text with the ids that stand for `<trunkId>` and the like, and JSON that is too deep or too long to stand in a plan. */
export function placed(text: string, { owner, campaign }: World): string {
  return text
    .replace(
      /"<deep (\d+)>"/g,
      (_, levels) => `${'[{"a":'.repeat(Number(levels))}1${'}]'.repeat(Number(levels))}`,
    )
    .replace(/"<many (\d+)>"/g, (_, count) => `["x"${',"x"'.repeat(Number(count))}]`)
    .replace(/<(\w+)>/g, (all, name) =>
      name === 'campaign' ? campaign : ((owner as unknown as Record<string, string>)[name] ?? all),
    );
}
