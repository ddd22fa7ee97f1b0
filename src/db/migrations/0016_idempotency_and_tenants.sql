-- What was answered to requests with an Idempotency-Key: written in the transaction that did what was asked, so that a repeat
-- finds both or neither, whatever broke off in between (src/api/idempotency.ts). Of a tenant, or, where tenant_id is null, of
-- the installation.
CREATE TABLE idempotency_keys (
  id uuid PRIMARY KEY,
  tenant_id uuid REFERENCES tenants ON DELETE CASCADE,
  key text NOT NULL CONSTRAINT idempotency_key_length CHECK (length(key) BETWEEN 1 AND 255),
  -- A keyed hash of method, path, query, type and body: the bodies of requests have passwords in them.
  request bytea NOT NULL,
  -- The answer's JSON, sealed (src/seal.ts): that of POST /v1/api-keys is the one place where a key can be read.
  answer bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX idempotency_keys_key
  ON idempotency_keys (key, coalesce(tenant_id, '00000000-0000-0000-0000-000000000000'));
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);
SELECT isolate_tenants('idempotency_keys', 'SELECT, INSERT, UPDATE');

-- The entry is written in the transaction of the change, which is the tenant's.
GRANT INSERT ON audit_log TO campanile_tenant;

ALTER TABLE tenants
  -- The zone of calling windows that name none when they are set; null: they must name one.
  ADD COLUMN time_zone text CONSTRAINT tenant_time_zone_length CHECK (length(time_zone) <= 64),
  -- Contacts that may be stored, over all campaigns; null is without limit.
  ADD COLUMN max_contacts bigint CONSTRAINT tenant_max_contacts_not_negative CHECK (max_contacts >= 0),
  -- Since when the tenant is being deleted (src/node/delete-tenants.ts). It is suspended as well: whoever asks for that
  -- alone, as the claim does, need not know.
  ADD COLUMN deleting_since timestamptz,
  ADD CONSTRAINT deleting_is_suspended CHECK (deleting_since IS NULL OR suspended);

-- Whether a sound that lies on a node is still anybody's.
CREATE INDEX messages_sha256 ON messages (sha256, tenant_id);

CREATE INDEX tenants_deleting ON tenants (deleting_since) WHERE deleting_since IS NOT NULL;

-- Tenants that are gone: call files of theirs that a node still has, because it was away, are to be removed.
CREATE TABLE deleted_tenants (
  id uuid PRIMARY KEY,
  deleted_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX deleted_tenants_at ON deleted_tenants (deleted_at);
