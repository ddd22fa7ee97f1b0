-- Numbers of those who pressed the opt-out key of a call: a list like any other, kept by Campanile, one for each tenant.
ALTER TABLE suppression_lists ADD COLUMN opt_outs boolean NOT NULL DEFAULT false;
CREATE UNIQUE INDEX one_list_of_opt_outs ON suppression_lists (tenant_id) WHERE opt_outs;
