-- Machines that answer: how they are told from persons, and what was decided of each call.

ALTER TABLE campaigns
  -- src/calls/machine.ts; null: everybody is taken for a person.
  ADD COLUMN machine_detection jsonb,
  ADD COLUMN machine bigint NOT NULL DEFAULT 0;

-- The verdict, as src/calls/machine.ts has it.
ALTER TABLE attempts ADD COLUMN machine jsonb;

ALTER TABLE contacts
  DROP CONSTRAINT contact_state,
  ADD CONSTRAINT contact_state CHECK (state IN ('pending', 'calling', 'retrying', 'answered', 'machine', 'busy', 'no_answer',
    'failed', 'invalid', 'suppressed', 'no_consent', 'cancelled', 'expired'));

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
      sum(n) FILTER (WHERE state = 'machine') AS machine,
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
    machine = c.machine + coalesce(d.machine, 0),
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

-- As in 0021, with the machine.
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
      c.silent, c.steps, c.answers, c.machine) AS ended
  WHERE c.age = 1 AND e.happened AND c.tenant_id = ANY(wanted)
  GROUP BY c.tenant_id, c.campaign_id, e.n, e.type ORDER BY e.n;
  RETURN NULL;
END $$;
