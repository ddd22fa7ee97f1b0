-- Every change that was made over the API: who, what, when. Of a tenant, or, where tenant_id is null, of the installation.
CREATE TABLE audit_log (
  id uuid PRIMARY KEY,
  tenant_id uuid REFERENCES tenants ON DELETE CASCADE,
  at timestamptz NOT NULL DEFAULT now(),
  role text NOT NULL,
  -- The token's `sub`, and the API key, where there is one.
  subject text,
  key_id uuid,
  -- As in the API's description: `post /v1/campaigns/{id}/start`.
  action text NOT NULL,
  -- What was changed or made; null where it has no id.
  object_id text,
  -- The request's body, without secrets.
  request jsonb
);
CREATE INDEX audit_log_of_tenant ON audit_log (tenant_id, id);
SELECT isolate_tenants('audit_log', 'SELECT');
