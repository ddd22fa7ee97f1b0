-- A node writes itself down before it claims anything, and nothing deletes one: it need not be looked up for each attempt.
ALTER TABLE attempts DROP CONSTRAINT attempts_node_fkey;
