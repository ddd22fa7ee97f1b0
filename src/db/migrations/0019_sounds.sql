-- Audio apart from the messages that have it: what is uploaded twice is kept once. A sound goes with its last message.
CREATE TABLE sounds (
  tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
  -- Hex SHA-256 of the WAV file: the name of its files on every node.
  sha256 text NOT NULL CONSTRAINT sound_hash_is_hex CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  -- A whole WAV file: 8 kHz, mono, 16 bit PCM. What the API gives back, and Asterisk plays where no other fits the codec.
  wav bytea NOT NULL,
  -- Raw, 8 bytes a millisecond; null where they could not be made, because there was no ffmpeg.
  ulaw bytea,
  alaw bytea,
  g722 bytea,
  seconds real NOT NULL CONSTRAINT sound_is_not_empty CHECK (seconds > 0),
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, sha256),
  CONSTRAINT sound_is_encoded_or_not CHECK (num_nulls(ulaw, alaw, g722) IN (0, 3))
);
-- Whether a file that lies on a node is still anybody's.
CREATE INDEX sounds_sha256 ON sounds (sha256);
-- Audio hardly compresses, and a part of what is not compressed can be read without the rest.
ALTER TABLE sounds
  ALTER wav SET STORAGE EXTERNAL,
  ALTER ulaw SET STORAGE EXTERNAL,
  ALTER alaw SET STORAGE EXTERNAL,
  ALTER g722 SET STORAGE EXTERNAL;

INSERT INTO sounds (tenant_id, sha256, wav, seconds, created_at)
  SELECT DISTINCT ON (tenant_id, sha256) tenant_id, sha256, audio, seconds, created_at FROM messages
    ORDER BY tenant_id, sha256, created_at;

ALTER TABLE messages
  DROP COLUMN audio,
  -- The index messages_sha256 finds a sound's messages.
  ADD CONSTRAINT message_has_a_sound FOREIGN KEY (tenant_id, sha256) REFERENCES sounds,
  -- Hex SHA-256 of the upload, which is not converted again when it comes again; null in what was there before this.
  ADD COLUMN source_sha256 text CONSTRAINT message_source_hash_is_hex CHECK (source_sha256 ~ '^[0-9a-f]{64}$'),
  -- What was found in the upload: container, codec, rate and channels; dB of full scale; LUFS; and what is wrong with it.
  ADD COLUMN source_format jsonb,
  ADD COLUMN peak_db real,
  ADD COLUMN loudness_db real,
  ADD COLUMN warnings jsonb NOT NULL DEFAULT '[]';
CREATE INDEX messages_source ON messages (source_sha256, tenant_id) WHERE source_sha256 IS NOT NULL;

-- Now that messages can be deleted: which error it is when one is given to a campaign at that moment.
ALTER TABLE campaigns RENAME CONSTRAINT campaigns_tenant_id_message_id_fkey TO message_of_a_campaign;

-- UPDATE, because whoever needs a sound that is there locks it by writing it anew: src/db/sounds.ts.
SELECT isolate_tenants('sounds', 'SELECT, INSERT, UPDATE, DELETE');
-- The update of a column is what locking a message needs, as its deletion does.
GRANT DELETE, UPDATE (name) ON messages TO campanile_tenant;
