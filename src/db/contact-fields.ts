import { neededFields } from '../calls/flow/texts.js';
import type { Campaign } from './campaigns.js';
import { findFlowById } from './flows.js';
import type { Db } from './pool.js';

/** A field that contacts which wait for a call lack, how many those are, and some of their numbers. */
export interface MissingField {
  field: string;
  contacts: number;
  examples: string[];
}

/** The fields that each contact of a campaign must have, because what its calls say names them without a default; in order. */
export async function findNeededFields(
  db: Db,
  tenantId: string,
  { flow_id, flow_version }: Pick<Campaign, 'flow_id' | 'flow_version'>,
): Promise<string[]> {
  const flow = flow_id === null ? null : await findFlowById(db, tenantId, flow_id, flow_version);
  return flow ? neededFields(flow.definition) : [];
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
