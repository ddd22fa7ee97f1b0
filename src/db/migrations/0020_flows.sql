-- Call flows: what a call does once it is answered, and what came of it.

CREATE TABLE flows (
  tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
  id uuid NOT NULL,
  name text NOT NULL CONSTRAINT flow_has_a_name CHECK (name <> ''),
  -- The newest; all of them are in flow_versions.
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id)
);

-- A version never changes: a campaign goes on with the one that it was started with.
CREATE TABLE flow_versions (
  tenant_id uuid NOT NULL,
  flow_id uuid NOT NULL,
  version integer NOT NULL,
  -- src/calls/flow/schema.ts, as it was checked.
  definition jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, flow_id, version),
  FOREIGN KEY (tenant_id, flow_id) REFERENCES flows ON DELETE CASCADE
);

ALTER TABLE campaigns
  ALTER COLUMN message_id DROP NOT NULL,
  ADD COLUMN flow_id uuid,
  -- Null in a draft, which takes the newest when it is started.
  ADD COLUMN flow_version integer,
  -- With a message: the key that means "do not call me again".
  ADD COLUMN opt_out_key text CONSTRAINT opt_out_key_is_on_a_phone CHECK (opt_out_key ~ '^[0-9*#]$'),
  ADD CONSTRAINT campaign_has_a_message_or_a_flow CHECK ((message_id IS NULL) <> (flow_id IS NULL)),
  ADD CONSTRAINT flow_of_a_campaign FOREIGN KEY (tenant_id, flow_id) REFERENCES flows,
  ADD CONSTRAINT version_of_a_campaign FOREIGN KEY (tenant_id, flow_id, flow_version) REFERENCES flow_versions;

ALTER TABLE attempts
  -- What was heard, pressed and collected, in order, each with its time: src/calls/flow/happened.ts.
  ADD COLUMN steps jsonb,
  -- What the flow kept under a name.
  ADD COLUMN answers jsonb;

SELECT isolate_tenants('flows', 'SELECT, INSERT, UPDATE, DELETE');
SELECT isolate_tenants('flow_versions', 'SELECT, INSERT, DELETE');
