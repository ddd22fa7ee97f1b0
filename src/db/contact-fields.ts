import { fieldsOf } from '../calls/flow/text.js';
import { messagesOf, neededFields } from '../calls/flow/texts.js';
import type { Campaign } from './campaigns.js';
import { findFlowOf } from './flows.js';
import { listMessageTexts } from './messages.js';
import type { Db } from './pool.js';

/** A field that contacts which wait for a call lack, how many those are, and some of their numbers. */
export interface MissingField {
  field: string;
  contacts: number;
  examples: string[];
}

/** What a campaign's calls say. */
type Said = Pick<Campaign, 'message_id' | 'flow_id' | 'flow_version' | 'machine_detection'>;

/** The fields that each contact of a campaign must have, because what its calls say names them without a default; in order. */
export async function findNeededFields(db: Db, tenantId: string, campaign: Said): Promise<string[]> {
  const flow = await findFlowOf(db, tenantId, campaign);
  if (!flow) return [];
  const left = campaign.machine_detection?.message_id ?? null;
  const messages = [...messagesOf(flow).map(({ id }) => id), ...(left === null ? [] : [left])];
  const texts = await listMessageTexts(db, tenantId, messages);
  const named = texts.flatMap(fieldsOf).filter(({ hasDefault }) => !hasDefault);
  return [...new Set([...neededFields(flow), ...named.map(({ name }) => name)])].sort();
}

const MOST_EXAMPLES = 3;

/** Which of these fields contacts of a campaign that wait for a call lack: they have none of the name, or nothing in it. */
export async function findMissingFields(
  db: Db,
  tenantId: string,
  campaignId: string,
  fields: readonly string[],
): Promise<MissingField[]> {
  if (fields.length === 0) return [];
  const { rows } = await db.query<MissingField>(
    `WITH lacking AS MATERIALIZED (
        SELECT f.field, c.number FROM contacts c CROSS JOIN unnest($3::text[]) AS f(field)
        WHERE c.tenant_id = $1 AND c.campaign_id = $2 AND c.state IN ('pending', 'retrying')
          AND coalesce(c.fields ->> f.field, '') !~ '\\S'
      )
      SELECT g.field, g.contacts, ARRAY(SELECT l.number FROM lacking l WHERE l.field = g.field LIMIT ${MOST_EXAMPLES}) AS examples
      FROM (SELECT field, count(*)::integer AS contacts FROM lacking GROUP BY field) AS g ORDER BY g.field`,
    [tenantId, campaignId, fields],
  );
  return rows;
}
