import type { MachineDetection } from '../calls/machine.js';
import type { Campaign } from '../db/campaigns.js';
import { shareFlow } from '../db/flows.js';
import { findMessageById } from '../db/messages.js';
import type { Tx } from '../db/pool.js';
import { CampanileError } from '../errors.js';
import type { FieldError } from './problem.js';

/** What a campaign says and does: a message, which a key may end for good, or a flow in one of its versions. */
export type Content = Pick<Campaign, 'message_id' | 'flow_id' | 'flow_version' | 'opt_out_key'>;

/** What a request names of it. */
export interface NamedContent {
  message_id?: string | undefined;
  flow_id?: string | undefined;
  flow_version?: number;
  opt_out_key?: string | null;
  machine_detection?: MachineDetection | null;
  inbound_message_id?: string | null;
}

type Before = Content & Pick<Campaign, 'status'>;

const NONE: Content = { message_id: null, flow_id: null, flow_version: null, opt_out_key: null };

/**
 * What a campaign says and does once what is named of it is set; without `before` it is a new one. A message takes the place of a
 * flow, and the other way round. What is wrong is added to `errors`. Throws a CampanileError (`campaign_running`): a flow is not
 * changed under the calls of a campaign.
 */
export async function contentOf(
  tx: Tx,
  tenantId: string,
  named: NamedContent,
  errors: FieldError[],
  before: Before = { ...NONE, status: 'draft' },
): Promise<Content> {
  const hasFlow = named.flow_id !== undefined || (named.message_id === undefined && before.flow_id !== null);
  errors.push(...(hasFlow ? wrongWithFlow(named, before) : wrongWithMessage(named, before)));
  if (named.message_id !== undefined && !(await findMessageById(tx, tenantId, named.message_id)))
    errors.push({ field: '/message_id', message: 'is no message' });
  for (const [field, id] of [
    ['/machine_detection/message_id', named.machine_detection?.message_id],
    ['/inbound_message_id', named.inbound_message_id],
  ])
    if (id && !(await findMessageById(tx, tenantId, id)))
      errors.push({ field: field!, message: 'is no message' });
  const content = hasFlow ? await withFlow(tx, tenantId, named, errors, before) : withMessage(named, before);
  const isOther = content.flow_id !== before.flow_id || content.flow_version !== before.flow_version;
  if (!isOther || before.status !== 'running') return content;
  const message = 'cannot change the flow of a campaign that is running: pause it first';
  throw new CampanileError('campaign_running', message);
}

function wrongWithMessage({ message_id, flow_version }: NamedContent, before: Before): FieldError[] {
  if (message_id === undefined && before.message_id === null)
    return [{ field: '/message_id', message: 'is required, unless there is a flow_id' }];
  if (flow_version === undefined) return [];
  return [{ field: '/flow_version', message: 'is for a campaign with a flow' }];
}

function wrongWithFlow(named: NamedContent, { status }: Before): FieldError[] {
  const errors: FieldError[] = [];
  if (named.message_id !== undefined)
    errors.push({ field: '/flow_id', message: 'cannot stand beside message_id: a campaign has one of them' });
  if ((named.opt_out_key ?? null) !== null)
    errors.push({ field: '/opt_out_key', message: 'is for a message: set the one in the flow' });
  if (named.flow_version !== undefined && status === 'draft')
    errors.push({
      field: '/flow_version',
      message: 'is not for a draft: it takes the newest when it is started',
    });
  return errors;
}

function withMessage(named: NamedContent, before: Content): Content {
  const { message_id = before.message_id, opt_out_key = before.opt_out_key } = named;
  return { ...NONE, message_id, opt_out_key };
}

/** A flow that the campaign did not have is taken in its newest version, by a draft when it is started. */
async function withFlow(
  tx: Tx,
  tenantId: string,
  named: NamedContent,
  errors: FieldError[],
  before: Before,
): Promise<Content> {
  const flow_id = named.flow_id ?? before.flow_id!;
  const kept = flow_id === before.flow_id ? before.flow_version : null;
  const flow = await shareFlow(tx, tenantId, flow_id, named.flow_version ?? kept);
  if (flow) return { ...NONE, flow_id, flow_version: before.status === 'draft' ? null : flow.version };
  errors.push(
    named.flow_version === undefined
      ? { field: '/flow_id', message: 'is no flow' }
      : { field: '/flow_version', message: 'is no version of the flow that is kept' },
  );
  return NONE;
}
