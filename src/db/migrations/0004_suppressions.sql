-- Numbers that are never called: lists of a tenant, and those of the installation, which hold for every tenant. The claim
-- looks here (src/db/claim.ts), so that a number put on a list holds from that moment.

CREATE TABLE suppression_lists (
  tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
  id uuid NOT NULL,
  name text NOT NULL CONSTRAINT suppression_list_has_a_name CHECK (name <> ''),
  -- The day that the list is of: a campaign may demand that it is not too long ago.
  as_of date NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id)
);

CREATE TABLE suppressed_numbers (
  tenant_id uuid NOT NULL,
  list_id uuid NOT NULL,
  number text NOT NULL CONSTRAINT suppressed_number_is_e164 CHECK (number ~ '^\+[1-9][0-9]{6,14}$'),
  added_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (list_id, number, tenant_id),
  FOREIGN KEY (tenant_id, list_id) REFERENCES suppression_lists ON DELETE CASCADE
);

CREATE INDEX suppressed_numbers_number ON suppressed_numbers (number, tenant_id);

CREATE TABLE installation_suppressions (
  number text PRIMARY KEY CONSTRAINT suppressed_number_is_e164 CHECK (number ~ '^\+[1-9][0-9]{6,14}$'),
  added_at timestamptz NOT NULL DEFAULT now()
);

SELECT isolate_tenants('suppression_lists', 'SELECT, INSERT, UPDATE, DELETE');
SELECT isolate_tenants('suppressed_numbers', 'SELECT, INSERT, DELETE');

-- How many days old the tenant's suppression lists may be when the campaign starts; null: it does not matter.
ALTER TABLE campaigns ADD COLUMN suppression_max_age_days integer
  CONSTRAINT suppression_max_age_not_negative CHECK (suppression_max_age_days >= 0);
