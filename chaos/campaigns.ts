import { createHash } from 'node:crypto';
import { newId } from '../src/ids.js';
import { toneWav } from '../src/messages/tone.js';
import type { ChaosLab } from './lab.js';

/** A campaign of the run. */
export interface LoadedCampaign {
  id: string;
  tenantId: string;
  name: string;
}

/** A tenant of the run: his trunk, and a message. */
export interface LoadedTenant {
  tenantId: string;
  trunkId: string;
  messageId: string;
}

const TENANTS = [
  { name: 'hospital', ports: 12, template: 'direct', pbxTrunk: 'far' },
  { name: 'school', ports: 8, template: 'routed', pbxTrunk: 'via-admin' },
  { name: 'bank', ports: 10, template: 'direct', pbxTrunk: 'far' },
] as const;

/** The campaigns that are there from the beginning; `tenant` counts in the tenants. */
export const CAMPAIGNS = [
  { name: 'A', tenant: 0, retry: { busy: '2s,5s', no_answer: '3s', congestion: '2s', lost: '1s*2' } },
  // No rule for `lost`: whoever was called when Asterisk died is not called again.
  { name: 'B', tenant: 0, retry: { busy: '1s*3', rejected: '4s' } },
  { name: 'C', tenant: 1, retry: { busy: '3s', lost: '2s*3', unreachable: '5s' } },
  { name: 'D', tenant: 1, retry: { busy: '2s' } },
  { name: 'E', tenant: 2, retry: { busy: '2s', lost: '1s' } },
  { name: 'F', tenant: 2, retry: { busy: '1s,2s,3s', no_answer: '2s*2', lost: '1s' } },
] as const;

/** Per hundred contacts, by what the far end does with them: see src/lab/sipp-scenario.ts. */
const CODES: Record<string, number> = {
  201: 34,
  200: 15,
  202: 8,
  203: 5,
  486: 20,
  404: 7,
  480: 4,
  603: 3,
  180: 2,
  503: 1,
  999: 1,
};
const MIX = Object.entries(CODES).flatMap(([code, n]) => Array<string>(n).fill(code));

const MESSAGE_SECONDS = 1;
const RING_SECONDS = 5;
const MAX_ATTEMPTS = 4;

/** The tenants with their trunks and messages. */
export async function insertTenants(lab: ChaosLab): Promise<LoadedTenant[]> {
  const audio = toneWav(MESSAGE_SECONDS);
  const sha256 = createHash('sha256').update(audio).digest('hex');
  const tenants = [];
  for (const { name, ports, template, pbxTrunk } of TENANTS) {
    const [tenantId, trunkId, messageId] = [newId(), newId(), newId()];
    await lab.query('INSERT INTO tenants (id, name, ports) VALUES ($1, $2, $3)', [tenantId, name, ports]);
    await lab.query('INSERT INTO pbx_trunks (name) VALUES ($1) ON CONFLICT DO NOTHING', [pbxTrunk]);
    await lab.query(
      'INSERT INTO trunks (tenant_id, id, name, template, pbx_trunk, ports) VALUES ($1, $2, $3, $4, $5, $6)',
      [tenantId, trunkId, name, template, pbxTrunk, ports],
    );
    await lab.query(
      `WITH sound AS (INSERT INTO sounds (tenant_id, sha256, wav, seconds) VALUES ($1, $3, $4, $5))
        INSERT INTO messages (tenant_id, id, name, sha256, seconds) VALUES ($1, $2, 'message', $3, $5)`,
      [tenantId, messageId, sha256, audio, MESSAGE_SECONDS],
    );
    tenants.push({ tenantId, trunkId, messageId });
  }
  return tenants;
}

/** Another message of a tenant, of words to be spoken; returns its id. */
export async function insertWords(lab: ChaosLab, tenantId: string, text: string): Promise<string> {
  const id = newId();
  await lab.query(
    `INSERT INTO messages (tenant_id, id, name, text, language) VALUES ($1, $2, 'words', $3, 'en')
      ON CONFLICT DO NOTHING`,
    [tenantId, id, text],
  );
  return id;
}

/** A campaign as a draft, the `index`th of the run. */
export async function insertCampaign(
  lab: ChaosLab,
  campaign: LoadedTenant & { name: string; retry: object; index: number },
): Promise<LoadedCampaign> {
  const { tenantId, trunkId, messageId, name, retry, index } = campaign;
  const id = newId();
  await lab.query(
    `INSERT INTO campaigns (tenant_id, id, name, status, message_id, ring_seconds, retry, max_attempts, caller_id)
      VALUES ($1, $2, $3, 'draft', $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
    [
      tenantId,
      id,
      name,
      messageId,
      RING_SECONDS,
      JSON.stringify(retry),
      MAX_ATTEMPTS,
      `+1212555${1000 + index}`,
    ],
  );
  await lab.query(
    'INSERT INTO campaign_trunks (tenant_id, campaign_id, position, trunk_id) VALUES ($1, $2, 1, $3) ON CONFLICT DO NOTHING',
    [tenantId, id, trunkId],
  );
  return { id, tenantId, name };
}

/** `count` numbers of the campaign at `index`, from its `from`th on; each of them nobody else's. */
export function numbersOf(index: number, from: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    const serial = from + i;
    // A step that has no factor in common with a hundred mixes them.
    return `+1212${10 + index}${String(serial).padStart(5, '0')}${MIX[(serial * 37) % MIX.length]}`;
  });
}
