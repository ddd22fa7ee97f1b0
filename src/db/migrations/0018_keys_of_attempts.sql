-- An attempt's key leads to its contact, and from there to its campaign: looking the campaign up as well for each attempt, through
-- all versions that its row has had while calls went on, cost as much as the attempt itself. A node writes itself down before it
-- claims anything, and nothing deletes one.
ALTER TABLE attempts
  DROP CONSTRAINT attempts_tenant_id_campaign_id_fkey,
  DROP CONSTRAINT attempts_node_fkey;
