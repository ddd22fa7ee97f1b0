import type { Db, Tx } from './pool.js';

/** Audio in the files that Asterisk plays. All but the first are null where there was no ffmpeg to make them. */
export interface SoundFiles {
  /** The master, a whole WAV file of 8 kHz, mono, 16 bit PCM: what Asterisk transcodes for any other codec. */
  wav: Buffer;
  /** Raw G.711, mu-law and A-law: 8 bytes a millisecond. */
  ulaw: Buffer | null;
  alaw: Buffer | null;
  /** Raw G.722 of 64 kbit/s, which is 16 kHz: 8 bytes a millisecond. */
  g722: Buffer | null;
}

/**
 * Stores a sound unless the tenant has it. It stays locked until the end of the transaction, so that whoever removes its last
 * message meanwhile leaves it to the new one.
 */
export async function keepSound(
  tx: Tx,
  tenantId: string,
  sound: SoundFiles & { sha256: string; seconds: number },
): Promise<void> {
  await tx.query(
    `INSERT INTO sounds AS kept (tenant_id, sha256, wav, ulaw, alaw, g722, seconds) VALUES ($1, $2, $3, $4, $5, $6, $7)
      ON CONFLICT (tenant_id, sha256) DO UPDATE SET ulaw = coalesce(kept.ulaw, excluded.ulaw),
        alaw = coalesce(kept.alaw, excluded.alaw), g722 = coalesce(kept.g722, excluded.g722)`,
    [tenantId, sound.sha256, sound.wav, sound.ulaw, sound.alaw, sound.g722, sound.seconds],
  );
}

/** Removes a sound that no message has. */
export async function removeUnusedSound(tx: Tx, tenantId: string, sha256: string): Promise<void> {
  const key = [tenantId, sha256];
  // Whoever is giving it to a message is waited for, and that message then seen.
  await tx.query('SELECT FROM sounds WHERE tenant_id = $1 AND sha256 = $2 FOR UPDATE', key);
  await tx.query(
    `DELETE FROM sounds s WHERE tenant_id = $1 AND sha256 = $2
      AND NOT EXISTS (SELECT FROM messages m WHERE m.tenant_id = s.tenant_id AND m.sha256 = s.sha256)`,
    key,
  );
}

export async function findSoundFiles(db: Db, tenantId: string, sha256: string): Promise<SoundFiles | null> {
  const { rows } = await db.query<SoundFiles>(
    'SELECT wav, ulaw, alaw, g722 FROM sounds WHERE tenant_id = $1 AND sha256 = $2',
    [tenantId, sha256],
  );
  return rows[0] ?? null;
}

/** Whether a sound is there in all formats; false: as WAV alone. Null when there is no such sound. */
export async function findSoundIsEncoded(db: Db, tenantId: string, sha256: string): Promise<boolean | null> {
  const { rows } = await db.query<{ encoded: boolean }>(
    'SELECT ulaw IS NOT NULL AS encoded FROM sounds WHERE tenant_id = $1 AND sha256 = $2',
    [tenantId, sha256],
  );
  return rows[0]?.encoded ?? null;
}

/** Of these hashes (hex SHA-256 of the WAV file) those that are no tenant's sound. */
export async function listUnusedSounds(db: Db, hashes: readonly string[]): Promise<string[]> {
  if (hashes.length === 0) return [];
  const { rows } = await db.query<{ sha256: string }>(
    `SELECT sha256 FROM unnest($1::text[]) AS h(sha256)
      WHERE NOT EXISTS (SELECT FROM sounds s WHERE s.sha256 = h.sha256)`,
    [hashes],
  );
  return rows.map(({ sha256 }) => sha256);
}
