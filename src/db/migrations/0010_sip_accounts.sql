-- SIP accounts: a trunk that is no endpoint an admin configured, but a tenant's own account at a carrier. Each node writes
-- them into its PBX's configuration (src/node/sip-accounts.ts) and tells here what became of them.

CREATE TABLE sip_accounts (
  tenant_id uuid NOT NULL,
  -- The trunk's.
  id uuid NOT NULL,
  host text NOT NULL,
  port integer CONSTRAINT sip_port_range CHECK (port BETWEEN 1 AND 65535),
  transport text NOT NULL CONSTRAINT sip_transport CHECK (transport IN ('udp', 'tcp', 'tls')),
  srtp boolean NOT NULL CONSTRAINT srtp_keys_travel_encrypted CHECK (NOT srtp OR transport = 'tls'),
  username text NOT NULL,
  -- src/seal.ts. The tenants' role may write it and not read it.
  sealed_password bytea NOT NULL,
  register boolean NOT NULL,
  caller_ids text[] NOT NULL,
  codecs text[] NOT NULL CONSTRAINT sip_codecs_not_none CHECK (cardinality(codecs) > 0),
  from_user text,
  from_domain text,
  -- One more with each change: a node has the account when it has this revision.
  revision integer NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, id) REFERENCES trunks ON DELETE CASCADE,
  -- What begins or ends a section, a comment or a line of pjsip.conf, whoever writes the row. The renderer is stricter.
  CONSTRAINT sip_texts_fit_a_line CHECK (
    concat(host, username, from_user, from_domain) !~ '[][;\\,=#[:space:][:cntrl:]]')
);

-- What one node's PBX has of an account.
CREATE TABLE sip_account_nodes (
  tenant_id uuid NOT NULL,
  id uuid NOT NULL,
  node text NOT NULL REFERENCES nodes ON DELETE CASCADE,
  -- The revision that the PBX has; null while it has none, and then `problem` may tell why.
  revision integer,
  -- Null for an account that does not register.
  registration text CONSTRAINT registration_state
    CHECK (registration IN ('registered', 'rejected', 'unregistered', 'unknown')),
  problem text,
  checked_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, id, node),
  FOREIGN KEY (tenant_id, id) REFERENCES sip_accounts ON DELETE CASCADE
);

CREATE FUNCTION tell_sip_accounts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NOTIFY campanile_sip_accounts;
  RETURN NULL;
END $$;

CREATE TRIGGER sip_accounts_changed AFTER INSERT OR UPDATE OR DELETE ON sip_accounts
  FOR EACH STATEMENT EXECUTE FUNCTION tell_sip_accounts();

-- The PBX trunk of an account is the account itself. A tenant may not write in pbx_trunks; this does it for him.
CREATE FUNCTION make_pbx_trunk_of_account() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO pbx_trunks (name) VALUES (NEW.pbx_trunk) ON CONFLICT (name) DO NOTHING;
  RETURN NEW;
END $$;

CREATE TRIGGER trunk_of_account BEFORE INSERT ON trunks
  FOR EACH ROW WHEN (NEW.pbx_trunk = 'campanile-' || NEW.id) EXECUTE FUNCTION make_pbx_trunk_of_account();

SELECT isolate_tenants('sip_accounts', 'INSERT, UPDATE, SELECT (tenant_id, id, host, port, transport, srtp, username,
  register, caller_ids, codecs, from_user, from_domain, revision)');
SELECT isolate_tenants('sip_account_nodes', 'SELECT');

-- A tenant makes and changes trunks that are accounts, and no other: naming an endpoint of the PBX is the admin's.
GRANT INSERT, UPDATE ON trunks TO campanile_tenant;
CREATE POLICY accounts_only ON trunks AS RESTRICTIVE FOR INSERT TO campanile_tenant
  WITH CHECK (pbx_trunk = 'campanile-' || id AND template = 'direct');
CREATE POLICY accounts_only_changed ON trunks AS RESTRICTIVE FOR UPDATE TO campanile_tenant
  USING (pbx_trunk = 'campanile-' || id) WITH CHECK (pbx_trunk = 'campanile-' || id AND template = 'direct');
