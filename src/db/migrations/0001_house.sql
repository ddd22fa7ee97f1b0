-- Tenants and what belongs to them. Every tenant table is keyed by (tenant_id, id), so that the data can be
-- distributed by tenant; ids are UUIDv7, so that they sort by the time they were made.

CREATE TABLE tenants (
  id uuid PRIMARY KEY,
  name text NOT NULL CONSTRAINT tenant_has_a_name CHECK (name <> ''),
  ports integer NOT NULL CONSTRAINT tenant_ports_not_negative CHECK (ports >= 0),
  calls_per_second real CONSTRAINT tenant_rate_positive CHECK (calls_per_second > 0),
  -- What numbers without a country code are read as; without it they are refused.
  default_region text,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- One Asterisk with the Campanile process beside it. Written by the node itself at each start.
CREATE TABLE nodes (
  name text PRIMARY KEY,
  ports integer NOT NULL CONSTRAINT node_ports_not_negative CHECK (ports >= 0),
  calls_per_second real CONSTRAINT node_rate_positive CHECK (calls_per_second > 0),
  started_at timestamptz NOT NULL DEFAULT now(),
  seen_at timestamptz NOT NULL DEFAULT now()
);

-- What the PBX calls a way out: a PJSIP endpoint or a dialplan context. Several tenants' trunks may lead to the same
-- one, and then share its limits. The name goes into a dial string, hence the letters it may have.
CREATE TABLE pbx_trunks (
  name text PRIMARY KEY CONSTRAINT pbx_trunk_name_fits_a_dial_string CHECK (name ~ '^[A-Za-z0-9_-]{1,64}$'),
  ports integer CONSTRAINT pbx_trunk_ports_not_negative CHECK (ports >= 0),
  calls_per_second real CONSTRAINT pbx_trunk_rate_positive CHECK (calls_per_second > 0)
);

CREATE TABLE trunks (
  tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
  id uuid NOT NULL,
  name text NOT NULL CONSTRAINT trunk_has_a_name CHECK (name <> ''),
  -- The call-file template, e.g. direct or routed.
  template text NOT NULL CONSTRAINT trunk_template_is_a_file_name CHECK (template ~ '^[a-z0-9_-]{1,64}$'),
  pbx_trunk text NOT NULL REFERENCES pbx_trunks,
  ports integer NOT NULL CONSTRAINT trunk_ports_not_negative CHECK (ports >= 0),
  calls_per_second real CONSTRAINT trunk_rate_positive CHECK (calls_per_second > 0),
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id)
);

CREATE TABLE messages (
  tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
  id uuid NOT NULL,
  name text NOT NULL CONSTRAINT message_has_a_name CHECK (name <> ''),
  -- Hex SHA-256 of the audio: the name of its file on every node.
  sha256 text NOT NULL CONSTRAINT message_hash_is_hex CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  -- A whole WAV file: 8 kHz, mono, 16 bit PCM, which Asterisk plays without transcoding to linear.
  audio bytea NOT NULL,
  seconds real NOT NULL CONSTRAINT message_is_not_empty CHECK (seconds > 0),
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id)
);

CREATE TABLE campaigns (
  tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
  id uuid NOT NULL,
  name text NOT NULL CONSTRAINT campaign_has_a_name CHECK (name <> ''),
  status text NOT NULL DEFAULT 'draft'
    CONSTRAINT campaign_status CHECK (status IN ('draft', 'running', 'paused', 'completed', 'cancelled')),
  trunk_id uuid NOT NULL,
  message_id uuid NOT NULL,
  -- Shown to the callee; E.164, or the trunk's own.
  caller_id text CONSTRAINT caller_id_is_e164 CHECK (caller_id ~ '^\+[1-9][0-9]{6,14}$'),
  ports integer CONSTRAINT campaign_ports_not_negative CHECK (ports >= 0),
  calls_per_second real CONSTRAINT campaign_rate_positive CHECK (calls_per_second > 0),
  weight integer NOT NULL DEFAULT 1 CONSTRAINT campaign_weight_range CHECK (weight BETWEEN 1 AND 1000),
  ring_seconds integer NOT NULL CONSTRAINT ring_seconds_range CHECK (ring_seconds BETWEEN 5 AND 120),
  -- Delays by disposition as people say them, e.g. {"busy": "5m,15m"}: src/calls/retry.ts.
  retry jsonb NOT NULL,
  max_attempts integer NOT NULL CONSTRAINT max_attempts_range CHECK (max_attempts BETWEEN 1 AND 100),
  created_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  ended_at timestamptz,
  -- Contacts by state, and attempts: kept by the triggers below.
  pending bigint NOT NULL DEFAULT 0,
  calling bigint NOT NULL DEFAULT 0,
  retrying bigint NOT NULL DEFAULT 0,
  answered bigint NOT NULL DEFAULT 0,
  busy bigint NOT NULL DEFAULT 0,
  no_answer bigint NOT NULL DEFAULT 0,
  failed bigint NOT NULL DEFAULT 0,
  invalid bigint NOT NULL DEFAULT 0,
  suppressed bigint NOT NULL DEFAULT 0,
  cancelled bigint NOT NULL DEFAULT 0,
  expired bigint NOT NULL DEFAULT 0,
  attempts bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, trunk_id) REFERENCES trunks,
  FOREIGN KEY (tenant_id, message_id) REFERENCES messages
) WITH (fillfactor = 50); -- the counters change with every batch of calls: room for HOT updates

CREATE INDEX campaigns_running ON campaigns (tenant_id, id) WHERE status = 'running';

CREATE TABLE contacts (
  tenant_id uuid NOT NULL,
  id uuid NOT NULL,
  campaign_id uuid NOT NULL,
  number text NOT NULL CONSTRAINT contact_number_is_e164 CHECK (number ~ '^\+[1-9][0-9]{6,14}$'),
  fields jsonb NOT NULL DEFAULT '{}',
  state text NOT NULL DEFAULT 'pending'
    CONSTRAINT contact_state CHECK (state IN ('pending', 'calling', 'retrying', 'answered', 'busy', 'no_answer',
      'failed', 'invalid', 'suppressed', 'cancelled', 'expired')),
  -- When the next attempt may start; of no meaning once the contact has ended.
  due_at timestamptz NOT NULL DEFAULT now(),
  attempts integer NOT NULL DEFAULT 0,
  -- How many attempts ended as each disposition, e.g. {"busy": 2}: the retry rules count by it.
  ended_as jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, campaign_id) REFERENCES campaigns ON DELETE CASCADE
) WITH (fillfactor = 90);

CREATE UNIQUE INDEX contacts_number_once ON contacts (tenant_id, campaign_id, number);

-- The claim reads from the front of this: retries that are due, then fresh contacts in the order they came.
CREATE INDEX contacts_due ON contacts (tenant_id, campaign_id, state, due_at, id)
  WHERE state IN ('pending', 'retrying');

CREATE TABLE attempts (
  tenant_id uuid NOT NULL,
  id uuid NOT NULL,
  campaign_id uuid NOT NULL,
  contact_id uuid NOT NULL,
  trunk_id uuid NOT NULL,
  pbx_trunk text NOT NULL,
  node text NOT NULL REFERENCES nodes,
  number text NOT NULL,
  -- The how manieth attempt at this contact, from 1.
  ordinal integer NOT NULL,
  state text NOT NULL DEFAULT 'open' CONSTRAINT attempt_state CHECK (state IN ('open', 'ended')),
  claimed_at timestamptz NOT NULL DEFAULT now(),
  -- From FastAGI /answered.
  answered_at timestamptz,
  heard_seconds real,
  key text CONSTRAINT key_is_dtmf CHECK (key ~ '^[0-9*#A-D]$'),
  -- From FastAGI /hangup.
  hangup_at timestamptz,
  hangup_cause integer,
  -- 0: a SIP channel that never got a response; null: not SIP.
  sip_status integer,
  dial_status text,
  hung_up_by text CONSTRAINT hung_up_by CHECK (hung_up_by IN ('callee', 'campanile', 'pbx')),
  ring_seconds real,
  talk_seconds real,
  -- From the archive.
  archive_status text CONSTRAINT archive_status CHECK (archive_status IN ('Completed', 'Expired', 'Failed')),
  ended_at timestamptz,
  disposition text CONSTRAINT attempt_disposition CHECK (disposition IN ('answered', 'machine', 'busy', 'no_answer',
    'rejected', 'invalid_number', 'congestion', 'unreachable', 'failed', 'cancelled', 'lost')),
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, campaign_id) REFERENCES campaigns ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts ON DELETE CASCADE,
  CONSTRAINT ended_has_a_disposition CHECK ((state = 'ended') = (disposition IS NOT NULL AND ended_at IS NOT NULL))
) WITH (fillfactor = 70); -- each attempt is written three times: insert, report, end

-- The ports in use, and nothing else: stays as small as the calls that are up.
CREATE INDEX attempts_open ON attempts (node, tenant_id, campaign_id) WHERE state = 'open';
CREATE INDEX attempts_of_campaign ON attempts (tenant_id, campaign_id, id);
CREATE INDEX attempts_of_contact ON attempts (tenant_id, contact_id);

-- Token buckets of calls per second, where all nodes see them. `scope` is node, pbx_trunk, tenant, trunk or campaign.
CREATE TABLE pace (
  scope text NOT NULL,
  id text NOT NULL,
  tokens double precision NOT NULL,
  refilled_at timestamptz NOT NULL,
  PRIMARY KEY (scope, id)
) WITH (fillfactor = 50);

-- A campaign's counters follow its contacts whatever statement changes them, once per statement and not per row.
CREATE FUNCTION count_contacts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  WITH change AS (
    SELECT tenant_id, campaign_id, state, 1 AS n, attempts FROM new_rows
    UNION ALL
    SELECT tenant_id, campaign_id, state, -1, -attempts FROM old_rows
  ), delta AS (
    SELECT tenant_id, campaign_id,
      sum(n) FILTER (WHERE state = 'pending') AS pending,
      sum(n) FILTER (WHERE state = 'calling') AS calling,
      sum(n) FILTER (WHERE state = 'retrying') AS retrying,
      sum(n) FILTER (WHERE state = 'answered') AS answered,
      sum(n) FILTER (WHERE state = 'busy') AS busy,
      sum(n) FILTER (WHERE state = 'no_answer') AS no_answer,
      sum(n) FILTER (WHERE state = 'failed') AS failed,
      sum(n) FILTER (WHERE state = 'invalid') AS invalid,
      sum(n) FILTER (WHERE state = 'suppressed') AS suppressed,
      sum(n) FILTER (WHERE state = 'cancelled') AS cancelled,
      sum(n) FILTER (WHERE state = 'expired') AS expired,
      sum(attempts) AS attempts
    FROM change GROUP BY tenant_id, campaign_id
  )
  UPDATE campaigns c SET
    pending = c.pending + coalesce(d.pending, 0),
    calling = c.calling + coalesce(d.calling, 0),
    retrying = c.retrying + coalesce(d.retrying, 0),
    answered = c.answered + coalesce(d.answered, 0),
    busy = c.busy + coalesce(d.busy, 0),
    no_answer = c.no_answer + coalesce(d.no_answer, 0),
    failed = c.failed + coalesce(d.failed, 0),
    invalid = c.invalid + coalesce(d.invalid, 0),
    suppressed = c.suppressed + coalesce(d.suppressed, 0),
    cancelled = c.cancelled + coalesce(d.cancelled, 0),
    expired = c.expired + coalesce(d.expired, 0),
    attempts = c.attempts + d.attempts
  FROM delta d WHERE c.tenant_id = d.tenant_id AND c.id = d.campaign_id;
  RETURN NULL;
END $$;

CREATE TRIGGER contacts_changed AFTER UPDATE ON contacts REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION count_contacts();

-- A contact is born pending (src/db/contacts.ts); nothing deletes one but the cascade of its campaign.
CREATE FUNCTION count_new_contacts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE campaigns c SET pending = c.pending + d.n
  FROM (SELECT tenant_id, campaign_id, count(*) AS n FROM new_rows GROUP BY 1, 2) d
  WHERE c.tenant_id = d.tenant_id AND c.id = d.campaign_id;
  RETURN NULL;
END $$;

CREATE TRIGGER contacts_added AFTER INSERT ON contacts REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION count_new_contacts();
