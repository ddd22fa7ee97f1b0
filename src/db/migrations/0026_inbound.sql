-- Calls back to the number that a campaign showed.

ALTER TABLE campaigns
  -- What whoever calls back hears; null: what he would have heard when he was called.
  ADD COLUMN inbound_message_id uuid,
  ADD CONSTRAINT inbound_message_of_a_campaign FOREIGN KEY (tenant_id, inbound_message_id) REFERENCES messages,
  -- So that what is left on machines is not deleted either.
  ADD COLUMN machine_message_id uuid GENERATED ALWAYS AS ((machine_detection ->> 'message_id')::uuid) STORED,
  ADD CONSTRAINT machine_message_of_a_campaign FOREIGN KEY (tenant_id, machine_message_id) REFERENCES messages;

CREATE TABLE inbound_calls (
  tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
  id uuid NOT NULL,
  campaign_id uuid NOT NULL,
  contact_id uuid NOT NULL,
  -- The call that was called back.
  attempt_id uuid NOT NULL,
  -- Who called, in E.164; 'erased ' and the contact's id once the person was erased.
  number text NOT NULL,
  -- What was called.
  called text NOT NULL,
  began_at timestamptz NOT NULL DEFAULT now(),
  -- When Campanile was done with it; null while it speaks, and for good where it died meanwhile.
  ended_at timestamptz,
  seconds real,
  -- As in attempts.
  steps jsonb,
  answers jsonb,
  opted_out boolean NOT NULL DEFAULT false,
  passed_on boolean NOT NULL DEFAULT false,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, campaign_id) REFERENCES campaigns ON DELETE CASCADE
);

CREATE INDEX inbound_calls_of_campaign ON inbound_calls (campaign_id, id, tenant_id);
CREATE INDEX inbound_calls_of_number ON inbound_calls (number, tenant_id);

-- Erasing a person changes what was written of him.
SELECT isolate_tenants('inbound_calls', 'SELECT, UPDATE (number, steps, answers)');

CREATE FUNCTION tell_inbound_call() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO event_outbox (tenant_id, campaign_id, type, items)
  SELECT NEW.tenant_id, NEW.campaign_id, 'inbound_call.ended', json_build_array(item) FROM (
    SELECT NEW.id AS inbound_call_id, NEW.contact_id, NEW.attempt_id, NEW.number, NEW.called, NEW.began_at, NEW.ended_at,
      NEW.seconds, NEW.steps, NEW.answers, NEW.opted_out, NEW.passed_on) AS item
  WHERE EXISTS (SELECT FROM event_listeners l WHERE l.tenant_id = NEW.tenant_id AND l.listened_at > now() - interval '3 days')
    OR EXISTS (SELECT FROM webhooks w WHERE w.tenant_id = NEW.tenant_id AND w.enabled);
  RETURN NULL;
END $$;

CREATE TRIGGER inbound_call_ended AFTER UPDATE OF ended_at ON inbound_calls
  FOR EACH ROW WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL) EXECUTE FUNCTION tell_inbound_call();
