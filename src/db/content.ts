import { flowOfMessage, leaveMessage } from '../calls/flow/of-message.js';
import type { Flow, Key } from '../calls/flow/schema.js';
import type { TextMessage } from '../calls/flow/spoken.js';
import { messagesOf } from '../calls/flow/texts.js';
import type { MachineDetection } from '../calls/machine.js';
import { CampanileError } from '../errors.js';
import type { Db } from './pool.js';

/**
 * What the calls of a campaign say and do: its message, or a version of its flow, neither of which changes once it is in use, and
 * what is done with machines.
 */
export interface ContentRef {
  tenantId: string;
  messageId: string | null;
  flowId: string | null;
  flowVersion: number | null;
  /** With a message. */
  optOutKey: Key | null;
  machine: MachineDetection | null;
}

/** A sound that a call may play. */
export interface MessageSound {
  messageId: string;
  /** Hex SHA-256 of the audio. */
  sha256: string;
  seconds: number;
}

/** All that a call needs once it is answered, apart from the contact. */
export interface Content {
  flow: Flow;
  /** How machines are told from persons; null: they are not. */
  machine: MachineDetection | null;
  /** By message id. */
  sounds: ReadonlyMap<string, MessageSound>;
  /** Messages of text, by their ids. */
  texts: ReadonlyMap<string, TextMessage>;
}

type MessageRow = { messageId: string } & (MessageSound | (TextMessage & { sha256: null }));

/** Every flow that a call may walk: the second one with a machine. */
export function flowsOf({ flow, machine }: Content): Flow[] {
  return machine?.message_id ? [flow, leaveMessage(machine.message_id, flow)] : [flow];
}

/**
 * Reads what calls say and do: of a flow without a version the newest. Throws a CampanileError (`content_missing`) when the flow
 * or a message of it is gone.
 */
export async function findContent(db: Db, ref: ContentRef): Promise<Content> {
  const flow = ref.messageId === null ? await findFlow(db, ref) : flowOfMessage(ref.messageId, ref.optOutKey);
  const left = ref.machine?.message_id;
  const ids = [...new Set([...messagesOf(flow).map(({ id }) => id), ...(left ? [left] : [])])];
  const { rows } = await db.query<MessageRow>(
    `SELECT id AS "messageId", sha256, seconds, text, language, voice FROM messages WHERE tenant_id = $1 AND id = ANY($2::uuid[])`,
    [ref.tenantId, ids],
  );
  const sounds = new Map(rows.flatMap((row) => (row.sha256 === null ? [] : [[row.messageId, row]])));
  const texts = new Map(rows.flatMap((row) => (row.sha256 === null ? [[row.messageId, row]] : [])));
  const missing = ids.find((id) => !sounds.has(id) && !texts.has(id));
  if (missing) throw new CampanileError('content_missing', `message ${missing} is not in the database`);
  return { flow, machine: ref.machine, sounds, texts };
}

async function findFlow(db: Db, { tenantId, flowId, flowVersion }: ContentRef): Promise<Flow> {
  const { rows } = await db.query<{ definition: Flow }>(
    `SELECT definition FROM flow_versions WHERE tenant_id = $1 AND flow_id = $2 AND version = coalesce($3::integer,
      (SELECT version FROM flows WHERE tenant_id = $1 AND id = $2))`,
    [tenantId, flowId, flowVersion],
  );
  if (!rows[0])
    throw new CampanileError(
      'content_missing',
      `flow ${flowId} has no version ${flowVersion} in the database`,
    );
  return rows[0].definition;
}
