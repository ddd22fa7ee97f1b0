-- Campaigns that are a test: their calls go to a sandbox node (src/node/sandbox-node.ts) and never to a real Asterisk.

-- Which node is a sandbox is in its name, which no admin can give to a real one: CAMPANILE_NODE takes no slash
-- (src/calls/node-name.ts). So a node never becomes one of the other kind.
ALTER TABLE nodes ADD COLUMN sandbox boolean NOT NULL GENERATED ALWAYS AS (name LIKE '%/test') STORED;

-- Fixed once the campaign is created: what was called for real and what was not must never lie in one.
ALTER TABLE campaigns ADD COLUMN test boolean NOT NULL DEFAULT false;

CREATE FUNCTION refuse_change_of_test() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a campaign is a test from its creation on, or never' USING ERRCODE = 'check_violation';
END $$;

CREATE TRIGGER test_is_fixed BEFORE UPDATE OF test ON campaigns
  FOR EACH ROW WHEN (OLD.test IS DISTINCT FROM NEW.test) EXECUTE FUNCTION refuse_change_of_test();

-- The attempt's node decides what its call is. Whatever a node tries to claim, the attempt is refused, and with it the call,
-- unless campaign and node are of one kind: an attempt has `test` from its campaign.
ALTER TABLE attempts
  ADD COLUMN test boolean NOT NULL DEFAULT false,
  ADD CONSTRAINT test_calls_on_sandbox_nodes CHECK (test = (node LIKE '%/test'));

-- An event tells that it is of a test. The relay writes it, so that no call waits for a look at its campaign.
ALTER TABLE events ADD COLUMN test boolean NOT NULL DEFAULT false;

-- The failures that a trunk shows are those of real calls.
DROP INDEX attempts_failed;
CREATE INDEX attempts_failed ON attempts (trunk_id, ended_at, tenant_id)
  WHERE disposition IN ('congestion', 'unreachable', 'failed') AND NOT test;

-- Test calls have calls per second of their own.
CREATE OR REPLACE FUNCTION forget_trunk() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  DELETE FROM pbx_trunks WHERE name = OLD.pbx_trunk AND name = 'campanile-' || OLD.id;
  DELETE FROM pace WHERE (scope, id) IN (('trunk', OLD.id::text), ('pbx_trunk', 'campanile-' || OLD.id),
    ('test trunk', OLD.id::text), ('test pbx_trunk', 'campanile-' || OLD.id));
  RETURN NULL;
END $$;

-- A try of a flow is one contact of a campaign that is shown nowhere but as the try: src/db/tries.ts.
ALTER TABLE campaigns ADD COLUMN is_try boolean NOT NULL DEFAULT false;
CREATE INDEX campaigns_tries ON campaigns (created_at, tenant_id) WHERE is_try;
