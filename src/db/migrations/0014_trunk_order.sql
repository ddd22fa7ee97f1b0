-- A campaign has trunks in an order: src/db/trunk-order.ts. A trunk that keeps failing rests: src/calls/breaker.ts.

CREATE TABLE campaign_trunks (
  tenant_id uuid NOT NULL,
  campaign_id uuid NOT NULL,
  -- From 1, without gaps while the campaign has not ended.
  position smallint NOT NULL CONSTRAINT trunk_position_from_1 CHECK (position >= 1),
  trunk_id uuid NOT NULL,
  PRIMARY KEY (campaign_id, position, tenant_id),
  CONSTRAINT trunk_once_in_an_order UNIQUE (trunk_id, campaign_id, tenant_id),
  FOREIGN KEY (tenant_id, campaign_id) REFERENCES campaigns ON DELETE CASCADE,
  -- A trunk that is deleted leaves the campaigns that have ended.
  CONSTRAINT trunk_of_a_campaign FOREIGN KEY (tenant_id, trunk_id) REFERENCES trunks ON DELETE CASCADE
);
INSERT INTO campaign_trunks SELECT tenant_id, id, 1, trunk_id FROM campaigns;
ALTER TABLE campaigns DROP COLUMN trunk_id;

SELECT isolate_tenants('campaign_trunks', 'SELECT, INSERT, DELETE');

-- The first position in the campaign's order that may take the contact: more than 1 only while it fails over.
ALTER TABLE contacts ADD COLUMN trunk_from smallint NOT NULL DEFAULT 1;

-- The claim reads from the front of this, for each priority and each of the zones that are open. Those who fail over lie apart: where the
-- trunks that they wait for are full, nobody stands behind them.
DROP INDEX contacts_due;
CREATE INDEX contacts_due ON contacts (campaign_id, state, trunk_from, zones, priority, due_at, id, tenant_id)
  WHERE state IN ('pending', 'retrying');

ALTER TABLE trunks
  -- When it is rested; null: never.
  ADD COLUMN breaker jsonb DEFAULT '{"failures": 20, "share": 0.5, "seconds": 60, "rest_seconds": 60}',
  -- All null, or since and until when it rests, and why. After `until` a few calls are tried.
  ADD COLUMN resting_since timestamptz,
  ADD COLUMN resting_until timestamptz,
  ADD COLUMN resting_reason text,
  ADD CONSTRAINT rest_is_whole CHECK (num_nulls(resting_since, resting_until, resting_reason) IN (0, 3));

-- What ended on a trunk, in slices of 10 seconds: few rows to add up for the breaker and for a day's answer-seizure ratio, and
-- none of them changes so often that its dead versions become many.
CREATE TABLE trunk_slices (
  tenant_id uuid NOT NULL,
  trunk_id uuid NOT NULL,
  -- When the slice begins.
  at timestamptz NOT NULL,
  seizures integer NOT NULL,
  answered integer NOT NULL,
  -- For the breaker alone, which begins anew with 0 whenever it closes.
  judged integer NOT NULL,
  faults integer NOT NULL,
  PRIMARY KEY (trunk_id, at, tenant_id),
  FOREIGN KEY (tenant_id, trunk_id) REFERENCES trunks ON DELETE CASCADE
) WITH (fillfactor = 50);

SELECT isolate_tenants('trunk_slices', 'SELECT');

-- The last failures of a trunk.
CREATE INDEX attempts_failed ON attempts (trunk_id, ended_at, tenant_id)
  WHERE disposition IN ('congestion', 'unreachable', 'failed');

-- A tenant deletes what he may change.
GRANT DELETE ON trunks TO campanile_tenant;
CREATE POLICY accounts_only_deleted ON trunks AS RESTRICTIVE FOR DELETE TO campanile_tenant
  USING (pbx_trunk = 'campanile-' || id);

-- The PBX trunk of an account goes with it, and what was kept of its calls per second.
CREATE FUNCTION forget_trunk() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  DELETE FROM pbx_trunks WHERE name = OLD.pbx_trunk AND name = 'campanile-' || OLD.id;
  DELETE FROM pace WHERE (scope, id) IN (('trunk', OLD.id::text), ('pbx_trunk', 'campanile-' || OLD.id));
  RETURN NULL;
END $$;

CREATE TRIGGER trunk_deleted AFTER DELETE ON trunks FOR EACH ROW EXECUTE FUNCTION forget_trunk();
