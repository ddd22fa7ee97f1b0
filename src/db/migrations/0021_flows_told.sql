-- What flows are kept for, and what came of them told.

-- A campaign that has ended keeps the versions that it was called with, when its flow is deleted: from then on nobody else sees it.
ALTER TABLE flows ADD COLUMN deleted_at timestamptz;

-- As it was written: jsonb would put the steps into an order of its own.
ALTER TABLE flow_versions ALTER COLUMN definition TYPE json USING definition::json;

-- For the deletion of a flow and of its old versions.
CREATE INDEX campaigns_of_flow ON campaigns (flow_id, flow_version, tenant_id) WHERE flow_id IS NOT NULL;

-- A call may be up while its person is erased: what is said in the rest of it is not kept either.
CREATE FUNCTION forget_erased() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.steps = NULL;
  NEW.answers = NULL;
  RETURN NEW;
END $$;

CREATE TRIGGER attempt_of_erased BEFORE UPDATE OF steps, answers ON attempts FOR EACH ROW
  WHEN (NEW.number LIKE 'erased %' AND (NEW.steps IS NOT NULL OR NEW.answers IS NOT NULL))
  EXECUTE FUNCTION forget_erased();

-- For the erasure of a person.
GRANT UPDATE (steps, answers) ON attempts TO campanile_tenant;

-- As in 0015, with steps and answers.
CREATE OR REPLACE FUNCTION tell_attempts_changed() RETURNS trigger LANGUAGE plpgsql AS $$
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
      c.silent, c.steps, c.answers) AS ended
  WHERE c.age = 1 AND e.happened AND c.tenant_id = ANY(wanted)
  GROUP BY c.tenant_id, c.campaign_id, e.n, e.type ORDER BY e.n;
  RETURN NULL;
END $$;
