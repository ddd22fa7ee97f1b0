-- Lists of contacts of any size, uploaded as a stream: src/api/imports.

-- The contact's own time zone, an IANA name; null is not known.
ALTER TABLE contacts ADD COLUMN time_zone text CONSTRAINT contact_time_zone_length CHECK (length(time_zone) <= 64);

CREATE TABLE imports (
  tenant_id uuid NOT NULL,
  id uuid NOT NULL,
  campaign_id uuid NOT NULL,
  name text,
  format text NOT NULL CONSTRAINT import_format CHECK (format IN ('csv', 'ndjson')),
  -- The rows lie in a temporary table of the connection that takes them, until one statement at the end of `storing`
  -- makes contacts of them. That connection holds an advisory lock: without it, `receiving` and `storing` are over.
  state text NOT NULL DEFAULT 'receiving'
    CONSTRAINT import_state CHECK (state IN ('receiving', 'storing', 'completed', 'failed')),
  rows bigint NOT NULL DEFAULT 0,
  added bigint NOT NULL DEFAULT 0,
  duplicates bigint NOT NULL DEFAULT 0,
  rejected bigint NOT NULL DEFAULT 0,
  bytes bigint NOT NULL DEFAULT 0,
  -- Why it failed: a stable code, and a sentence.
  error_code text,
  error text,
  created_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, campaign_id) REFERENCES campaigns ON DELETE CASCADE,
  CONSTRAINT import_over_has_a_time CHECK ((state IN ('completed', 'failed')) = (finished_at IS NOT NULL)),
  CONSTRAINT import_failed_has_a_reason CHECK ((state = 'failed') = (error_code IS NOT NULL AND error IS NOT NULL))
) WITH (fillfactor = 70); -- counters change with every batch

CREATE INDEX imports_of_campaign ON imports (campaign_id, id, tenant_id);
CREATE INDEX imports_open ON imports (tenant_id, id) WHERE state IN ('receiving', 'storing');

-- The rows that an import did not take, as many as are kept.
CREATE TABLE import_rejections (
  tenant_id uuid NOT NULL,
  import_id uuid NOT NULL,
  line bigint NOT NULL,
  reason text NOT NULL,
  row text NOT NULL,
  PRIMARY KEY (tenant_id, import_id, line),
  FOREIGN KEY (tenant_id, import_id) REFERENCES imports ON DELETE CASCADE
);

SELECT isolate_tenants('imports', 'SELECT, INSERT, UPDATE');
SELECT isolate_tenants('import_rejections', 'SELECT, INSERT');

-- The foreign key from contacts to campaigns looked its campaign up once per contact. A running campaign's row has a new
-- version with every batch of calls, and none of them is removed while a long statement runs: each lookup read them all, and
-- an INSERT of a million contacts did not end. The trigger that counts new contacts, which locks the campaign anyway,
-- holds the same once per statement.
ALTER TABLE contacts DROP CONSTRAINT contacts_tenant_id_campaign_id_fkey;

CREATE OR REPLACE FUNCTION count_new_contacts() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  missing bigint;
BEGIN
  INSERT INTO campaign_zones (tenant_id, campaign_id, zones)
  SELECT DISTINCT tenant_id, campaign_id, zones FROM new_rows ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING;
  WITH added AS (
    SELECT tenant_id, campaign_id, count(*) AS n FROM new_rows GROUP BY 1, 2
  ), counted AS (
    UPDATE campaigns c SET pending = c.pending + a.n
    FROM added a WHERE c.tenant_id = a.tenant_id AND c.id = a.campaign_id
    RETURNING c.id
  )
  SELECT (SELECT count(*) FROM added) - (SELECT count(*) FROM counted) INTO missing;
  IF missing > 0 THEN
    RAISE foreign_key_violation USING MESSAGE = 'contacts of a campaign that does not exist';
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION delete_contacts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM contacts WHERE tenant_id = OLD.tenant_id AND campaign_id = OLD.id;
  RETURN NULL;
END $$;

CREATE TRIGGER campaign_deleted AFTER DELETE ON campaigns FOR EACH ROW EXECUTE FUNCTION delete_contacts();

-- A contact stays with its campaign.
CREATE FUNCTION refuse_moving_contacts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE integrity_constraint_violation USING MESSAGE = 'a contact cannot move to another campaign or tenant';
END $$;

CREATE TRIGGER contact_moved BEFORE UPDATE OF tenant_id, campaign_id ON contacts
  FOR EACH ROW EXECUTE FUNCTION refuse_moving_contacts();
