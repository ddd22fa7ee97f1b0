import type { TextMessage } from '../calls/flow/spoken.js';
import type { Db } from './pool.js';
import type { Page } from './tenants.js';

/** A message without its audio. */
export interface Message {
  id: string;
  name: string;
  /** Hex SHA-256 of the audio; null of text, like length and size. */
  sha256: string | null;
  seconds: number | null;
  bytes: number | null;
  /** Null of audio, like its language. */
  text: string | null;
  language: string | null;
  /** Null for the engine's own. */
  voice: string | null;
  created_at: Date;
}

// octet_length() of a bytea that is stored out of line reads its size only, not the audio.
const COLUMNS = 'id, name, sha256, seconds, octet_length(audio) AS bytes, text, language, voice, created_at';

export async function insertMessage(
  db: Db,
  tenantId: string,
  message: { id: string; name: string; sha256: string; seconds: number; audio: Buffer },
): Promise<Message> {
  const { rows } = await db.query<Message>(
    `INSERT INTO messages (tenant_id, id, name, sha256, audio, seconds)
      VALUES ($1, $2, $3, $4, $5, $6) RETURNING ${COLUMNS}`,
    [tenantId, message.id, message.name, message.sha256, message.audio, message.seconds],
  );
  return rows[0]!;
}

export async function insertTextMessage(
  db: Db,
  tenantId: string,
  message: { id: string; name: string } & TextMessage,
): Promise<Message> {
  const { rows } = await db.query<Message>(
    `INSERT INTO messages (tenant_id, id, name, text, language, voice)
      VALUES ($1, $2, $3, $4, $5, $6) RETURNING ${COLUMNS}`,
    [tenantId, message.id, message.name, message.text, message.language, message.voice],
  );
  return rows[0]!;
}

export async function findMessageById(db: Db, tenantId: string, id: string): Promise<Message | null> {
  const { rows } = await db.query<Message>(
    `SELECT ${COLUMNS} FROM messages WHERE tenant_id = $1 AND id = $2`,
    [tenantId, id],
  );
  return rows[0] ?? null;
}

/** The WAV file of a message. */
export async function findMessageAudio(db: Db, tenantId: string, id: string): Promise<Buffer | null> {
  const { rows } = await db.query<{ audio: Buffer }>(
    'SELECT audio FROM messages WHERE tenant_id = $1 AND id = $2',
    [tenantId, id],
  );
  return rows[0]?.audio ?? null;
}

export async function listMessages(db: Db, tenantId: string, page: Page): Promise<Message[]> {
  const { rows } = await db.query<Message>(
    `SELECT ${COLUMNS} FROM messages
      WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3`,
    [tenantId, page.after, page.limit],
  );
  return rows;
}

/** Of these hashes (hex SHA-256 of audio) those that no tenant's message has. */
export async function listUnusedAudio(db: Db, hashes: readonly string[]): Promise<string[]> {
  if (hashes.length === 0) return [];
  const { rows } = await db.query<{ sha256: string }>(
    `SELECT sha256 FROM unnest($1::text[]) AS h(sha256)
      WHERE NOT EXISTS (SELECT FROM messages m WHERE m.sha256 = h.sha256)`,
    [hashes],
  );
  return rows.map(({ sha256 }) => sha256);
}

/** Of these ids those that are of no message of the tenant's. */
export async function listUnknownMessages(
  db: Db,
  tenantId: string,
  ids: readonly string[],
): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>(
    `SELECT DISTINCT i.id FROM unnest($2::uuid[]) AS i(id)
      WHERE NOT EXISTS (SELECT FROM messages m WHERE m.tenant_id = $1 AND m.id = i.id)`,
    [tenantId, ids],
  );
  return rows.map(({ id }) => id);
}
