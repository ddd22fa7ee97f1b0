-- What a tenant asks for over the API runs as the role campanile_tenant, with the tenant set for the transaction
-- (src/db/pool.ts, asTenant). The role owns nothing and cannot log in; row-level security shows it and lets it write one
-- tenant's rows only, whatever a statement's WHERE clause says or forgets. Nodes and admins work as the owner of the tables,
-- whom it does not bind.

DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'campanile_tenant') THEN
    CREATE ROLE campanile_tenant NOLOGIN;
  END IF;
EXCEPTION
  -- A role is of the whole server: another database of ours may make it at the same moment.
  WHEN duplicate_object OR unique_violation THEN NULL;
  WHEN insufficient_privilege THEN
    RAISE EXCEPTION 'the role campanile_tenant is missing, and % may not create it: as a superuser, run CREATE ROLE campanile_tenant NOLOGIN; GRANT campanile_tenant TO %', quote_ident(current_user), quote_ident(current_user);
END $$;

DO $$ BEGIN
  IF NOT pg_has_role(current_user, 'campanile_tenant', 'MEMBER') THEN
    GRANT campanile_tenant TO CURRENT_USER;
  END IF;
EXCEPTION
  WHEN insufficient_privilege THEN
    RAISE EXCEPTION 'this user may not act as the role campanile_tenant: as a superuser, run GRANT campanile_tenant TO %', quote_ident(current_user);
END $$;

GRANT USAGE ON SCHEMA public TO campanile_tenant;

-- Called by this migration and those after it, for every table of tenants: `privileges` is what a tenant may do with its rows.
CREATE FUNCTION isolate_tenants(tenant_table regclass, privileges text, tenant_column text DEFAULT 'tenant_id')
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tenant_table);
  -- A setting that was never set is null, one that was set in an earlier transaction is empty: no row either way.
  EXECUTE format('CREATE POLICY own_tenant ON %s TO campanile_tenant USING (%I = nullif(current_setting(%L, true), %L)::uuid)',
    tenant_table, tenant_column, 'campanile.tenant_id', '');
  EXECUTE format('GRANT %s ON %s TO campanile_tenant', privileges, tenant_table);
END $$;

SELECT isolate_tenants('tenants', 'SELECT', 'id');
SELECT isolate_tenants('trunks', 'SELECT');
SELECT isolate_tenants('messages', 'SELECT, INSERT');
SELECT isolate_tenants('campaigns', 'SELECT, INSERT, UPDATE');
SELECT isolate_tenants('contacts', 'SELECT, INSERT, UPDATE');
SELECT isolate_tenants('attempts', 'SELECT');
