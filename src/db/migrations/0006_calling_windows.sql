-- When a campaign may call: hours of the day by a clock of its own or by those of its contacts (src/calls/window.ts), and
-- from and until when in all.
ALTER TABLE campaigns
  ADD COLUMN calling_window jsonb,
  ADD COLUMN start_at timestamptz,
  ADD COLUMN end_at timestamptz,
  ADD CONSTRAINT campaign_ends_after_its_start CHECK (end_at > start_at);

-- The time zones that the contact may be in: IANA names in their order, with blanks between them; '' when none is known.
ALTER TABLE contacts ADD COLUMN zones text NOT NULL DEFAULT '';

-- The claim reads from the front of this, for each of the zones that are open.
DROP INDEX contacts_due;
CREATE INDEX contacts_due ON contacts (campaign_id, state, zones, due_at, id, tenant_id)
  WHERE state IN ('pending', 'retrying');

-- Which zones a campaign's contacts have, so that the claim need not look for them.
CREATE TABLE campaign_zones (
  tenant_id uuid NOT NULL,
  campaign_id uuid NOT NULL,
  zones text NOT NULL,
  PRIMARY KEY (campaign_id, zones, tenant_id),
  FOREIGN KEY (tenant_id, campaign_id) REFERENCES campaigns ON DELETE CASCADE
);
INSERT INTO campaign_zones SELECT DISTINCT tenant_id, campaign_id, zones FROM contacts;

SELECT isolate_tenants('campaign_zones', 'SELECT, INSERT');

CREATE OR REPLACE FUNCTION count_new_contacts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO campaign_zones (tenant_id, campaign_id, zones)
  SELECT DISTINCT tenant_id, campaign_id, zones FROM new_rows ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING;
  UPDATE campaigns c SET pending = c.pending + d.n
  FROM (SELECT tenant_id, campaign_id, count(*) AS n FROM new_rows GROUP BY 1, 2) d
  WHERE c.tenant_id = d.tenant_id AND c.id = d.campaign_id;
  RETURN NULL;
END $$;
