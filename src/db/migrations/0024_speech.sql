-- Speech: messages of text, and contacts that wait because their text was not spoken yet, or that no text can be made for.

ALTER TABLE messages
  ALTER COLUMN sha256 DROP NOT NULL,
  ALTER COLUMN seconds DROP NOT NULL,
  -- With fields: src/calls/flow/text.ts.
  ADD COLUMN text text,
  ADD COLUMN language text,
  -- Null for the engine's own.
  ADD COLUMN voice text,
  ADD CONSTRAINT message_is_audio_or_text
    CHECK ((text IS NULL) = (sha256 IS NOT NULL) AND (text IS NULL) = (language IS NULL));

ALTER TABLE contacts
  -- Why the contact is held for its speech, or is invalid without a call, in words.
  ADD COLUMN problem text,
  ADD COLUMN speech_failures smallint NOT NULL DEFAULT 0,
  DROP CONSTRAINT contact_held_for,
  ADD CONSTRAINT contact_held_for CHECK (held_for IN ('frequency_cap', 'silent_call', 'speech'));
