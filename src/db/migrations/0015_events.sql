-- Events: what changed of contacts, attempts and campaigns, for whoever listens (server-sent events) and for webhooks.
--
-- 1. Triggers write them into event_outbox in the transaction of the change itself: none is lost, and none tells of what was
--    rolled back. One row for each statement, campaign and type, with an array of what happened to each.
-- 2. A sequence's values are not in the order of commits, so who read on from the last number that he saw would pass over
--    a transaction that began early and commits late. Hence the relay (src/events/relay.ts), one at a time in the whole
--    installation: it moves what is committed from event_outbox to events and gives it its `position`. The next relay waits
--    until that is committed, so positions become visible in their order, and "position > the last one" misses nothing. No
--    transaction, however long, holds up the events of others.
-- 3. Within a transaction, and between two that touch the same row, `seq` is in the order in which things happened: the
--    second waits for the first one's lock before its trigger draws a number. The relay keeps that order.
--
-- A position is microseconds since 1970, or one more than the tenant's last: it tells nothing of other tenants' events, and goes
-- on rising when old events are gone.

CREATE TABLE event_outbox (
  -- The writing transaction. All below the oldest one that still runs have been moved, so the relay does not look there again:
  -- rows that are gone, but cannot be vacuumed while an export reads, would be looked at with each pass.
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  seq bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  -- No foreign key: it would be looked up for every batch of calls, and the row is gone in a second.
  tenant_id uuid NOT NULL,
  campaign_id uuid NOT NULL,
  type text NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  items json NOT NULL,
  PRIMARY KEY (xid, seq)
);

CREATE TABLE events (
  tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
  position bigint NOT NULL,
  -- No foreign key: that a campaign was deleted is no reason to forget what was not read yet.
  campaign_id uuid NOT NULL,
  type text NOT NULL,
  at timestamptz NOT NULL,
  -- What src/calls/event.ts makes one event of, each.
  items json NOT NULL,
  PRIMARY KEY (tenant_id, position)
);

-- Events are written for tenants that have a webhook, or listened in the last three days, which is as long as they are kept.
CREATE TABLE event_listeners (
  tenant_id uuid PRIMARY KEY REFERENCES tenants ON DELETE CASCADE,
  listened_at timestamptz NOT NULL
);

CREATE TABLE webhooks (
  tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
  id uuid NOT NULL,
  url text NOT NULL,
  -- Types, or * for all.
  events text[] NOT NULL CONSTRAINT webhook_wants_something CHECK (cardinality(events) > 0),
  enabled boolean NOT NULL DEFAULT true,
  -- Why it was disabled, when that was not the tenant.
  disabled_reason text,
  -- src/seal.ts. The tenants' role may write it and not read it.
  sealed_secret bytea NOT NULL,
  -- The one before, which signs along until then.
  sealed_old_secret bytea,
  old_secret_until timestamptz,
  -- Since when nothing but failures; null while the last attempt succeeded.
  failing_since timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id)
);

CREATE FUNCTION keep_old_webhook_secret() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.sealed_old_secret = OLD.sealed_secret;
  NEW.old_secret_until = now() + interval '1 day';
  RETURN NEW;
END $$;

CREATE TRIGGER webhook_secret_rotated BEFORE UPDATE OF sealed_secret ON webhooks
  FOR EACH ROW EXECUTE FUNCTION keep_old_webhook_secret();

-- One event on its way to one webhook.
CREATE TABLE webhook_deliveries (
  tenant_id uuid NOT NULL,
  id uuid NOT NULL,
  webhook_id uuid NOT NULL,
  event_id text NOT NULL,
  type text NOT NULL,
  -- What is sent, to the byte.
  body text NOT NULL,
  state text NOT NULL DEFAULT 'pending'
    CONSTRAINT delivery_state CHECK (state IN ('pending', 'delivered', 'failed')),
  attempts integer NOT NULL DEFAULT 0,
  -- While it is being sent, when it may be taken for given up by a process that died.
  next_attempt_at timestamptz DEFAULT now(),
  last_attempt_at timestamptz,
  -- Of the last attempt.
  status_code integer,
  error text,
  duration_ms integer,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, webhook_id) REFERENCES webhooks ON DELETE CASCADE,
  CONSTRAINT pending_has_a_time CHECK ((state = 'pending') = (next_attempt_at IS NOT NULL))
) WITH (fillfactor = 80); -- each is written three times: insert, claim, outcome

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, next_attempt_at, tenant_id) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_of_webhook ON webhook_deliveries (webhook_id, id, tenant_id);

-- The triggers run as whoever makes the change, the tenants' role too; erasing a person changes what was written of him.
SELECT isolate_tenants('event_outbox', 'INSERT, SELECT, UPDATE (items)');
SELECT isolate_tenants('events', 'SELECT, UPDATE (items)');
SELECT isolate_tenants('event_listeners', 'SELECT, INSERT, UPDATE');
SELECT isolate_tenants('webhooks', 'INSERT, UPDATE, DELETE, SELECT (tenant_id, id, url, events, enabled, disabled_reason,
  old_secret_until, failing_since, created_at)');
SELECT isolate_tenants('webhook_deliveries', 'SELECT, INSERT, UPDATE');

-- In the functions below old and new rows are put together by a window and not by a join: with rows that are in no table the
-- planner knows of no index, keeps the plan of the first statement, and a nested loop would be quadratic for 10,000 contacts.

CREATE FUNCTION tell_attempts_started() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  wanted uuid[];
BEGIN
  IF NOT EXISTS (SELECT FROM event_listeners) AND NOT EXISTS (SELECT FROM webhooks) THEN RETURN NULL; END IF;
  wanted = ARRAY(SELECT t.tenant_id FROM (SELECT DISTINCT tenant_id FROM new_rows) AS t
    WHERE EXISTS (SELECT FROM event_listeners l WHERE l.tenant_id = t.tenant_id AND l.listened_at > now() - interval '3 days')
      OR EXISTS (SELECT FROM webhooks w WHERE w.tenant_id = t.tenant_id AND w.enabled));
  IF wanted = '{}' THEN RETURN NULL; END IF;
  INSERT INTO event_outbox (tenant_id, campaign_id, type, items)
  SELECT n.tenant_id, n.campaign_id, 'attempt.started', json_agg(item ORDER BY n.id)
  FROM new_rows n CROSS JOIN LATERAL (
    SELECT n.id AS attempt_id, n.contact_id, n.trunk_id, n.number, n.ordinal, n.claimed_at) AS item
  WHERE n.tenant_id = ANY(wanted) GROUP BY n.tenant_id, n.campaign_id;
  RETURN NULL;
END $$;

CREATE TRIGGER attempts_started AFTER INSERT ON attempts REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION tell_attempts_started();

CREATE FUNCTION tell_attempts_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  wanted uuid[];
BEGIN
  IF NOT EXISTS (SELECT FROM event_listeners) AND NOT EXISTS (SELECT FROM webhooks) THEN RETURN NULL; END IF;
  wanted = ARRAY(SELECT t.tenant_id FROM (SELECT DISTINCT tenant_id FROM new_rows) AS t
    WHERE EXISTS (SELECT FROM event_listeners l WHERE l.tenant_id = t.tenant_id AND l.listened_at > now() - interval '3 days')
      OR EXISTS (SELECT FROM webhooks w WHERE w.tenant_id = t.tenant_id AND w.enabled));
  IF wanted = '{}' THEN RETURN NULL; END IF;
  INSERT INTO event_outbox (tenant_id, campaign_id, type, items)
  SELECT c.tenant_id, c.campaign_id, e.type, json_agg(CASE e.type WHEN 'attempt.answered' THEN row_to_json(answered)
    WHEN 'attempt.heard' THEN row_to_json(heard) ELSE row_to_json(ended) END ORDER BY c.id)
  FROM (
    SELECT *, lag(answered_at) OVER w AS was_answered, lag(heard_seconds) OVER w AS was_heard, lag(state) OVER w AS was
    FROM (SELECT 0 AS age, o.* FROM old_rows o UNION ALL SELECT 1, n.* FROM new_rows n) AS both_rows
    WINDOW w AS (PARTITION BY tenant_id, id ORDER BY age)
  ) AS c
  CROSS JOIN LATERAL (VALUES
    (1, 'attempt.answered', c.was_answered IS NULL AND c.answered_at IS NOT NULL),
    (2, 'attempt.heard', c.was_heard IS NULL AND c.heard_seconds IS NOT NULL),
    (3, 'attempt.ended', c.was = 'open' AND c.state = 'ended')) AS e(n, type, happened)
  CROSS JOIN LATERAL (SELECT c.id AS attempt_id, c.contact_id, c.number, c.ordinal, c.answered_at) AS answered
  CROSS JOIN LATERAL (SELECT c.id AS attempt_id, c.contact_id, c.number, c.ordinal, c.heard_seconds, c.key) AS heard
  CROSS JOIN LATERAL (
    SELECT c.id AS attempt_id, c.contact_id, c.trunk_id, c.number, c.ordinal, c.disposition, c.claimed_at, c.answered_at,
      c.ended_at, c.ring_seconds, c.talk_seconds, c.heard_seconds, c.key, c.sip_status, c.hangup_cause, c.hung_up_by,
      c.silent) AS ended
  WHERE c.age = 1 AND e.happened AND c.tenant_id = ANY(wanted)
  GROUP BY c.tenant_id, c.campaign_id, e.n, e.type ORDER BY e.n;
  RETURN NULL;
END $$;

CREATE TRIGGER attempts_changed AFTER UPDATE ON attempts REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION tell_attempts_changed();

-- Contacts that waited and are cancelled or expired all at once are only counted: there may be a million of them.
CREATE FUNCTION tell_contacts_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  wanted uuid[];
BEGIN
  IF NOT EXISTS (SELECT FROM event_listeners) AND NOT EXISTS (SELECT FROM webhooks) THEN RETURN NULL; END IF;
  wanted = ARRAY(SELECT t.tenant_id FROM (SELECT DISTINCT tenant_id FROM new_rows) AS t
    WHERE EXISTS (SELECT FROM event_listeners l WHERE l.tenant_id = t.tenant_id AND l.listened_at > now() - interval '3 days')
      OR EXISTS (SELECT FROM webhooks w WHERE w.tenant_id = t.tenant_id AND w.enabled));
  IF wanted = '{}' THEN RETURN NULL; END IF;
  INSERT INTO event_outbox (tenant_id, campaign_id, type, items)
  SELECT c.tenant_id, c.campaign_id, c.type, coalesce(
    json_agg(CASE c.type WHEN 'contact.ended' THEN row_to_json(ended) WHEN 'contact.retrying' THEN row_to_json(retrying)
      ELSE row_to_json(released) END ORDER BY c.id) FILTER (WHERE c.type NOT LIKE 'contacts.%'),
    json_build_array(json_build_object('count', count(*))))
  FROM (
    SELECT *, CASE
        WHEN was IN ('pending', 'retrying') AND state IN ('cancelled', 'expired') THEN 'contacts.' || state
        WHEN state NOT IN ('pending', 'calling', 'retrying') THEN 'contact.ended'
        WHEN was = 'calling' AND attempts < had_attempts THEN 'attempt.released'
        WHEN was = 'calling' AND state = 'retrying' THEN 'contact.retrying' END AS type
    FROM (
      SELECT *, lag(state) OVER w AS was, lag(attempts) OVER w AS had_attempts
      FROM (
        SELECT 0 AS age, tenant_id, campaign_id, id, number, state, attempts, due_at, NULL AS fields FROM old_rows
        UNION ALL
        SELECT 1, tenant_id, campaign_id, id, number, state, attempts, due_at, fields FROM new_rows
        WHERE state <> 'calling'
      ) AS both_rows WINDOW w AS (PARTITION BY tenant_id, id ORDER BY age)
    ) AS changed WHERE age = 1 AND state <> was AND tenant_id = ANY(wanted)
  ) AS c
  CROSS JOIN LATERAL (SELECT c.id AS contact_id, c.number, c.state, c.attempts, c.fields) AS ended
  CROSS JOIN LATERAL (SELECT c.id AS contact_id, c.number, c.attempts, c.due_at) AS retrying
  CROSS JOIN LATERAL (SELECT c.id AS contact_id, c.number, c.attempts + 1 AS ordinal) AS released
  WHERE c.type IS NOT NULL GROUP BY c.tenant_id, c.campaign_id, c.type;
  RETURN NULL;
END $$;

CREATE TRIGGER contacts_told AFTER UPDATE ON contacts REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION tell_contacts_changed();

CREATE FUNCTION tell_contacts_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO event_outbox (tenant_id, campaign_id, type, items)
  SELECT tenant_id, campaign_id, 'contacts.added', json_build_array(json_build_object('count', n))
  FROM (SELECT tenant_id, campaign_id, count(*) AS n FROM new_rows GROUP BY 1, 2) AS added
  WHERE EXISTS (SELECT FROM event_listeners l WHERE l.tenant_id = added.tenant_id AND l.listened_at > now() - interval '3 days')
    OR EXISTS (SELECT FROM webhooks w WHERE w.tenant_id = added.tenant_id AND w.enabled);
  RETURN NULL;
END $$;

CREATE TRIGGER contacts_added_told AFTER INSERT ON contacts REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION tell_contacts_added();

-- By row and column, because the counters of a campaign change with every batch of calls and its status hardly ever.
CREATE FUNCTION tell_campaign_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO event_outbox (tenant_id, campaign_id, type, items)
  SELECT NEW.tenant_id, NEW.id, 'campaign.changed',
    json_build_array(json_build_object('name', NEW.name, 'status', NEW.status))
  WHERE EXISTS (SELECT FROM event_listeners l WHERE l.tenant_id = NEW.tenant_id AND l.listened_at > now() - interval '3 days')
    OR EXISTS (SELECT FROM webhooks w WHERE w.tenant_id = NEW.tenant_id AND w.enabled);
  RETURN NULL;
END $$;

CREATE TRIGGER campaign_changed AFTER UPDATE OF status ON campaigns
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION tell_campaign_changed();

-- What the outbox has of a tenant goes with it: it has no foreign key.
CREATE FUNCTION delete_outbox_of_tenant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM event_outbox WHERE tenant_id = OLD.id;
  RETURN NULL;
END $$;

CREATE TRIGGER tenant_deleted AFTER DELETE ON tenants FOR EACH ROW EXECUTE FUNCTION delete_outbox_of_tenant();
