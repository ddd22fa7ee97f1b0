-- A campaign that has ended and is not shown in lists any more, unless they are asked for archived ones.
ALTER TABLE campaigns ADD COLUMN archived_at timestamptz;
