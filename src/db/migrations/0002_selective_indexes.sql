-- Indexes beside a primary key (tenant_id, id) begin with the column that selects. Those that began with tenant_id were
-- candidates for "tenant_id = and id =" too, and while a table is small the planner cannot tell them apart by cost: a
-- prepared statement that chose such an index then read every row of the tenant for ever.

DROP INDEX contacts_number_once;
CREATE UNIQUE INDEX contacts_number_once ON contacts (campaign_id, number, tenant_id);

-- The claim reads from the front of this: retries that are due, then fresh contacts in the order they came.
DROP INDEX contacts_due;
CREATE INDEX contacts_due ON contacts (campaign_id, state, due_at, id, tenant_id)
  WHERE state IN ('pending', 'retrying');

DROP INDEX attempts_of_campaign;
CREATE INDEX attempts_of_campaign ON attempts (campaign_id, id, tenant_id);

DROP INDEX attempts_of_contact;
CREATE INDEX attempts_of_contact ON attempts (contact_id, tenant_id);
