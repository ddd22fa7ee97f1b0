-- Whether a number is on the installation's suppression list, for the preview of a tenant's campaign: a tenant may not read the
-- list, but learns of its own contacts who is on it when they are not called.
CREATE FUNCTION on_installation_list(called text) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
  SELECT EXISTS (SELECT FROM public.installation_suppressions s WHERE s.number = called)
$$;
REVOKE ALL ON FUNCTION on_installation_list FROM PUBLIC;
GRANT EXECUTE ON FUNCTION on_installation_list TO campanile_tenant;
