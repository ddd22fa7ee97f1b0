-- Keys by which a tenant's machines use the API.
CREATE TABLE api_keys (
  tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
  id uuid NOT NULL,
  name text NOT NULL CONSTRAINT api_key_has_a_name CHECK (name <> ''),
  role text NOT NULL CONSTRAINT api_key_role CHECK (role IN ('tenant', 'viewer')),
  -- How the key begins, to recognise it by.
  prefix text NOT NULL,
  -- Hex SHA-256 of the key. A slow hash is for secrets that can be guessed, and a key is 32 random bytes.
  sha256 text NOT NULL CONSTRAINT api_key_hash_is_hex CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  created_at timestamptz NOT NULL DEFAULT now(),
  -- To the minute: src/db/api-keys.ts.
  last_used_at timestamptz,
  revoked_at timestamptz,
  PRIMARY KEY (tenant_id, id)
);

-- The hash comes first: whose key it is, nobody knows before it is found.
CREATE UNIQUE INDEX api_keys_sha256 ON api_keys (sha256, tenant_id);

-- Of the API; null is without limit. Tenants that were there before keep none: an upgrade must not slow them down.
ALTER TABLE tenants ADD COLUMN requests_per_minute integer
  CONSTRAINT tenant_requests_positive CHECK (requests_per_minute > 0);
ALTER TABLE tenants ALTER COLUMN requests_per_minute SET DEFAULT 600;

SELECT isolate_tenants('api_keys', 'SELECT, INSERT, UPDATE');
