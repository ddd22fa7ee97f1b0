-- Whom a tenant may call, and how often: caps per number, a lock-out after silent calls, consent, erased persons; and who is
-- called first. The claim asks for all of it (src/db/claim.ts), so that a change holds from that moment.

-- Attempts at one number over all of a tenant's campaigns in any 24 hours and any 30 days; null is without a cap. And for how
-- long nobody calls a number whose last call was answered and silent: 5 days as in Italy, which covers the 72 hours of the UK.
ALTER TABLE tenants
  ADD COLUMN attempts_per_day integer CONSTRAINT tenant_attempts_per_day_positive CHECK (attempts_per_day > 0),
  ADD COLUMN attempts_per_30_days integer
    CONSTRAINT tenant_attempts_per_30_days_positive CHECK (attempts_per_30_days > 0),
  ADD COLUMN silent_call_lockout_hours integer NOT NULL DEFAULT 120
    CONSTRAINT tenant_lockout_not_negative CHECK (silent_call_lockout_hours >= 0);

-- Answered, and nothing of the message was heard.
ALTER TABLE attempts ADD COLUMN silent boolean NOT NULL DEFAULT false;

CREATE INDEX attempts_of_number ON attempts (number, tenant_id, claimed_at);
-- Nearly empty: whoever has no caps does not pay for the index above when a contact is claimed.
CREATE INDEX attempts_silent ON attempts (number, tenant_id, ended_at) WHERE silent;

ALTER TABLE contacts
  ADD COLUMN priority smallint NOT NULL DEFAULT 5 CONSTRAINT contact_priority_range CHECK (priority BETWEEN 0 AND 9),
  ADD COLUMN consent_basis text CONSTRAINT consent_basis_length CHECK (length(consent_basis) BETWEEN 1 AND 100),
  ADD COLUMN consent_source text CONSTRAINT consent_source_length CHECK (length(consent_source) BETWEEN 1 AND 200),
  ADD COLUMN consent_at timestamptz,
  -- Why the contact was not called when it was due, and waits until due_at.
  ADD COLUMN held_for text CONSTRAINT contact_held_for CHECK (held_for IN ('frequency_cap', 'silent_call')),
  ADD CONSTRAINT consent_has_a_basis
    CHECK (consent_basis IS NOT NULL OR consent_source IS NULL AND consent_at IS NULL),
  DROP CONSTRAINT contact_state,
  ADD CONSTRAINT contact_state CHECK (state IN ('pending', 'calling', 'retrying', 'answered', 'busy', 'no_answer',
    'failed', 'invalid', 'suppressed', 'no_consent', 'cancelled', 'expired')),
  -- Of an erased person the row stays, for the campaign's figures (src/db/erase.ts); the claim calls nobody without a number.
  DROP CONSTRAINT contact_number_is_e164,
  ADD CONSTRAINT contact_number_is_e164 CHECK (number ~ '^\+[1-9][0-9]{6,14}$' OR number = 'erased ' || id);

CREATE INDEX contacts_held ON contacts (campaign_id, held_for, tenant_id)
  WHERE held_for IS NOT NULL AND state IN ('pending', 'retrying');

ALTER TABLE campaigns
  -- Contacts without a basis of consent are not called.
  ADD COLUMN requires_consent boolean NOT NULL DEFAULT false,
  ADD COLUMN no_consent bigint NOT NULL DEFAULT 0;

-- The claim reads from the front of this, for each priority and each of the zones that are open.
DROP INDEX contacts_due;
CREATE INDEX contacts_due ON contacts (campaign_id, state, zones, priority, due_at, id, tenant_id)
  WHERE state IN ('pending', 'retrying');
ALTER TABLE campaign_zones
  ADD COLUMN priority smallint NOT NULL DEFAULT 5,
  DROP CONSTRAINT campaign_zones_pkey,
  ADD PRIMARY KEY (campaign_id, zones, priority, tenant_id);

-- Persons whose traces were erased: HMAC-SHA256 of the number (src/number-hash.ts), so that it is never called again.
CREATE TABLE erasures (
  tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
  id uuid NOT NULL,
  number_hash bytea NOT NULL CONSTRAINT erased_hash_is_sha256 CHECK (length(number_hash) = 32),
  erased_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX erasures_hash ON erasures (number_hash, tenant_id);

-- Those that hold for every tenant.
CREATE TABLE installation_erasures (
  id uuid PRIMARY KEY,
  number_hash bytea NOT NULL UNIQUE CONSTRAINT erased_hash_is_sha256 CHECK (length(number_hash) = 32),
  erased_at timestamptz NOT NULL DEFAULT now()
);

SELECT isolate_tenants('erasures', 'SELECT, INSERT, DELETE');
-- Erasing runs as the tenant, and may do no more than that to what is otherwise not his to change.
GRANT UPDATE (number) ON attempts TO campanile_tenant;
GRANT UPDATE (reason, row) ON import_rejections TO campanile_tenant;
GRANT UPDATE (request) ON audit_log TO campanile_tenant;

CREATE OR REPLACE FUNCTION count_contacts() RETURNS trigger LANGUAGE plpgsql AS $$
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
      sum(n) FILTER (WHERE state = 'no_consent') AS no_consent,
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
    no_consent = c.no_consent + coalesce(d.no_consent, 0),
    cancelled = c.cancelled + coalesce(d.cancelled, 0),
    expired = c.expired + coalesce(d.expired, 0),
    attempts = c.attempts + d.attempts
  FROM delta d WHERE c.tenant_id = d.tenant_id AND c.id = d.campaign_id;
  RETURN NULL;
END $$;

-- Contacts have their foreign key again, which migration 0012 took from them. It leads to campaign_zones, whose rows never
-- change, so looking one up costs the same however busy the campaign is. Deferred, because whoever inserts contacts without
-- further ado has those rows made by the trigger below; uploads make them first and do not defer it, as the checks would
-- otherwise run when the trigger has locked the campaign (src/db/contacts.ts).
ALTER TABLE contacts ADD CONSTRAINT contacts_campaign_zones_fkey FOREIGN KEY (tenant_id, campaign_id, zones, priority)
  REFERENCES campaign_zones (tenant_id, campaign_id, zones, priority) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;

DROP TRIGGER campaign_deleted ON campaigns;
DROP FUNCTION delete_contacts();

CREATE OR REPLACE FUNCTION count_new_contacts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO campaign_zones (tenant_id, campaign_id, zones, priority)
  SELECT DISTINCT tenant_id, campaign_id, zones, priority FROM new_rows ORDER BY 1, 2, 3, 4 ON CONFLICT DO NOTHING;
  UPDATE campaigns c SET pending = c.pending + d.n
  FROM (SELECT tenant_id, campaign_id, count(*) AS n FROM new_rows GROUP BY 1, 2) d
  WHERE c.tenant_id = d.tenant_id AND c.id = d.campaign_id;
  RETURN NULL;
END $$;
