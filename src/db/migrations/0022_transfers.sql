-- Where calls may be passed on to, which were and what came of it; what callees said; what webhook steps are signed with.

CREATE TABLE transfer_destinations (
  tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
  id uuid NOT NULL,
  name text NOT NULL CONSTRAINT destination_has_a_name CHECK (name <> ''),
  kind text NOT NULL CONSTRAINT destination_kind CHECK (kind IN ('number', 'extension', 'queue')),
  target text NOT NULL,
  -- What a number is dialled over; null: the trunk that the call itself is on.
  trunk_id uuid,
  -- Calls there at once.
  ports integer NOT NULL CONSTRAINT destination_ports_not_negative CHECK (ports >= 0),
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  CONSTRAINT trunk_of_a_destination FOREIGN KEY (tenant_id, trunk_id) REFERENCES trunks,
  CONSTRAINT only_numbers_have_a_trunk CHECK (trunk_id IS NULL OR kind = 'number'),
  -- It becomes part of a dial string.
  CONSTRAINT target_by_kind CHECK (CASE kind WHEN 'number' THEN target ~ '^\+[1-9][0-9]{1,14}$' ELSE target ~ '^[A-Za-z0-9_-]{1,64}$' END)
);

SELECT isolate_tenants('transfer_destinations', 'SELECT, INSERT, UPDATE, DELETE');
-- Extensions and queues are of the PBX, which tenants share: an admin's alone.
CREATE POLICY numbers_only ON transfer_destinations AS RESTRICTIVE FOR INSERT TO campanile_tenant WITH CHECK (kind = 'number');
-- USING is asked of SELECT ... FOR KEY SHARE too, with which a campaign holds on to any destination.
CREATE POLICY numbers_only_changed ON transfer_destinations AS RESTRICTIVE FOR UPDATE TO campanile_tenant
  USING (true) WITH CHECK (kind = 'number');
CREATE POLICY numbers_only_deleted ON transfer_destinations AS RESTRICTIVE FOR DELETE TO campanile_tenant USING (kind = 'number');

CREATE TABLE transfers (
  tenant_id uuid NOT NULL,
  id uuid NOT NULL,
  attempt_id uuid NOT NULL,
  campaign_id uuid NOT NULL,
  -- No foreign key: what happened stays when the destination is deleted.
  destination_id uuid NOT NULL,
  -- The flow's.
  step text NOT NULL,
  -- Of a number: the trunk that it holds a port of.
  trunk_id uuid,
  pbx_trunk text,
  began_at timestamptz NOT NULL DEFAULT now(),
  -- It holds its port until then, or until its attempt has ended, whatever comes first.
  ended_at timestamptz,
  outcome text CONSTRAINT transfer_outcome
    CHECK (outcome IN ('connected', 'busy', 'no_answer', 'failed', 'full', 'abandoned', 'unknown')),
  -- Null where the PBX does not tell.
  talked_seconds real,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, attempt_id) REFERENCES attempts ON DELETE CASCADE,
  CONSTRAINT ended_transfer_has_an_outcome CHECK ((ended_at IS NULL) = (outcome IS NULL))
);

CREATE INDEX transfers_open ON transfers (destination_id, tenant_id) WHERE ended_at IS NULL;
CREATE INDEX transfers_of_attempt ON transfers (attempt_id, tenant_id);
CREATE INDEX transfers_of_campaign ON transfers (campaign_id, ended_at, tenant_id);

SELECT isolate_tenants('transfers', 'SELECT');

ALTER TABLE campaigns
  -- src/calls/flow/transfer.ts. Null: it does not matter.
  ADD COLUMN max_abandoned_percent real
    CONSTRAINT abandoned_percent_range CHECK (max_abandoned_percent BETWEEN 0 AND 100),
  -- Why it is paused, when that was not the tenant.
  ADD COLUMN paused_reason text;

CREATE TABLE recordings (
  tenant_id uuid NOT NULL,
  id uuid NOT NULL,
  attempt_id uuid NOT NULL,
  campaign_id uuid NOT NULL,
  step text NOT NULL,
  seconds real NOT NULL,
  -- A WAV file.
  audio bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, attempt_id) REFERENCES attempts ON DELETE CASCADE
);
-- It hardly gets smaller.
ALTER TABLE recordings ALTER COLUMN audio SET STORAGE EXTERNAL;

CREATE INDEX recordings_of_attempt ON recordings (attempt_id, id, tenant_id);
CREATE INDEX recordings_of_campaign ON recordings (campaign_id, id, tenant_id);

SELECT isolate_tenants('recordings', 'SELECT, DELETE');

-- After how many days recordings are deleted; null: never.
ALTER TABLE tenants ADD COLUMN recordings_days integer
  CONSTRAINT recordings_are_kept_a_day CHECK (recordings_days BETWEEN 1 AND 36500);

-- What the requests of webhook steps are signed with: src/seal.ts. The tenants' role may write it and not read it.
CREATE TABLE flow_secrets (
  tenant_id uuid PRIMARY KEY REFERENCES tenants ON DELETE CASCADE,
  sealed_secret bytea NOT NULL,
  -- The one before, which signs along until then.
  sealed_old_secret bytea,
  old_secret_until timestamptz
);
SELECT isolate_tenants('flow_secrets', 'INSERT, UPDATE, SELECT (tenant_id, old_secret_until)');

CREATE TRIGGER flow_secret_rotated BEFORE UPDATE OF sealed_secret ON flow_secrets
  FOR EACH ROW EXECUTE FUNCTION keep_old_webhook_secret();

CREATE OR REPLACE FUNCTION tell_campaign_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO event_outbox (tenant_id, campaign_id, type, items)
  SELECT NEW.tenant_id, NEW.id, 'campaign.changed',
    json_build_array(json_build_object('name', NEW.name, 'status', NEW.status,
      'reason', CASE WHEN NEW.status = 'paused' THEN NEW.paused_reason END))
  WHERE EXISTS (SELECT FROM event_listeners l WHERE l.tenant_id = NEW.tenant_id AND l.listened_at > now() - interval '3 days')
    OR EXISTS (SELECT FROM webhooks w WHERE w.tenant_id = NEW.tenant_id AND w.enabled);
  RETURN NULL;
END $$;
