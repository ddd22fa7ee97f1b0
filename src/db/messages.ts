import type { TextMessage } from '../calls/flow/spoken.js';
import type { Db, Tx } from './pool.js';
import { keepSound, type SoundFiles } from './sounds.js';
import type { Page } from './tenants.js';

/** What audio was when it came, in ffmpeg's names. */
export interface SourceFormat {
  container: string;
  codec: string;
  /** Samples per second. */
  rate: number;
  channels: number;
}

/** Something about audio that whoever uploaded it should know. */
export interface AudioWarning {
  code: 'silent' | 'silence_at_start' | 'silence_at_end' | 'clipping' | 'cut_off' | 'quiet';
  detail: string;
  /** Of silence, or that are missing. */
  seconds?: number;
  /** Of clipped samples: 0 to 1. */
  share?: number;
}

/** Audio as Asterisk plays it, and what was found in what it was made of. */
export interface Converted extends SoundFiles {
  seconds: number;
  sourceFormat: SourceFormat;
  /** The highest sample of the source, dB of full scale; null where all samples are 0. */
  peakDb: number | null;
  /** Of the source in LUFS (ITU-R BS.1770, one channel); null where nothing is to be heard. */
  loudnessDb: number | null;
  warnings: AudioWarning[];
}

/** A message without its audio. */
export interface Message {
  id: string;
  name: string;
  /** Hex SHA-256 of the WAV file; null of text, like length and size. */
  sha256: string | null;
  seconds: number | null;
  /** Of the WAV file. */
  bytes: number | null;
  /** Null, like the two after it, of text, and in what was uploaded before it was looked at. */
  source_format: SourceFormat | null;
  peak_db: number | null;
  loudness_db: number | null;
  warnings: AudioWarning[];
  /** Null of audio, like its language. */
  text: string | null;
  language: string | null;
  /** Null for the engine's own. */
  voice: string | null;
  created_at: Date;
}

// octet_length() of a bytea that is stored out of line reads its size only, not the audio.
const COLUMNS = `id, name, sha256, seconds, (SELECT octet_length(s.wav) FROM sounds s
    WHERE s.tenant_id = messages.tenant_id AND s.sha256 = messages.sha256) AS bytes,
  source_format, peak_db, loudness_db, warnings, text, language, voice, created_at`;

/** Stores a message and its sound. `sha256` is of the WAV file, `sourceSha256` of the upload, both in hex. */
export async function insertMessage(
  tx: Tx,
  tenantId: string,
  message: { id: string; name: string; sha256: string; sourceSha256: string; audio: Converted },
): Promise<Message> {
  const { id, name, sha256, sourceSha256, audio } = message;
  await keepSound(tx, tenantId, { ...audio, sha256 });
  const { rows } = await tx.query<Message>(
    `INSERT INTO messages (tenant_id, id, name, sha256, seconds, source_sha256, source_format, peak_db, loudness_db, warnings)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING ${COLUMNS}`,
    [
      ...[tenantId, id, name, sha256, audio.seconds, sourceSha256, JSON.stringify(audio.sourceFormat)],
      ...[audio.peakDb, audio.loudnessDb, JSON.stringify(audio.warnings)],
    ],
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

/** What an upload was converted to when it came before; null when it did not, or there was no ffmpeg then. */
export async function findConverted(
  db: Db,
  tenantId: string,
  sourceSha256: string,
): Promise<Converted | null> {
  const { rows } = await db.query<Converted>(
    `SELECT s.wav, s.ulaw, s.alaw, s.g722, m.seconds, m.source_format AS "sourceFormat", m.peak_db AS "peakDb",
        m.loudness_db AS "loudnessDb", m.warnings
      FROM messages m JOIN sounds s ON s.tenant_id = m.tenant_id AND s.sha256 = m.sha256
      WHERE m.source_sha256 = $2 AND m.tenant_id = $1 AND s.ulaw IS NOT NULL LIMIT 1`,
    [tenantId, sourceSha256],
  );
  return rows[0] ?? null;
}

export async function findMessageById(db: Db, tenantId: string, id: string): Promise<Message | null> {
  const { rows } = await db.query<Message>(
    `SELECT ${COLUMNS} FROM messages WHERE tenant_id = $1 AND id = $2`,
    [tenantId, id],
  );
  return rows[0] ?? null;
}

/** `length` bytes of the WAV file of a message, from byte `start` on. */
export async function readMessageAudio(
  db: Db,
  tenantId: string,
  id: string,
  { start, length }: { start: number; length: number },
): Promise<Buffer | null> {
  const { rows } = await db.query<{ part: Buffer }>(
    `SELECT substring(s.wav FROM $3::integer + 1 FOR $4::integer) AS part
      FROM messages m JOIN sounds s ON s.tenant_id = m.tenant_id AND s.sha256 = m.sha256
      WHERE m.tenant_id = $1 AND m.id = $2`,
    [tenantId, id, start, length],
  );
  return rows[0]?.part ?? null;
}

export async function listMessages(db: Db, tenantId: string, page: Page): Promise<Message[]> {
  const { rows } = await db.query<Message>(
    `SELECT ${COLUMNS} FROM messages
      WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3`,
    [tenantId, page.after, page.limit],
  );
  return rows;
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

/** How long messages are, in seconds, by id; about, where they are text: 15 characters a second. */
export async function findMessageSeconds(
  db: Db,
  tenantId: string,
  ids: readonly string[],
): Promise<Map<string, number>> {
  const { rows } = await db.query<{ id: string; seconds: number }>(
    'SELECT id, coalesce(seconds, length(text) / 15.0)::real AS seconds FROM messages WHERE tenant_id = $1 AND id = ANY($2::uuid[])',
    [tenantId, ids],
  );
  return new Map(rows.map(({ id, seconds }) => [id, seconds]));
}

/** The texts of those of these messages that are text. */
export async function listMessageTexts(db: Db, tenantId: string, ids: readonly string[]): Promise<string[]> {
  const { rows } = await db.query<{ text: string }>(
    'SELECT text FROM messages WHERE tenant_id = $1 AND id = ANY($2::uuid[]) AND text IS NOT NULL',
    [tenantId, ids],
  );
  return rows.map(({ text }) => text);
}
