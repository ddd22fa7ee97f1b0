-- What `campanile attempt` tells beside what there was. Each is written with a statement that writes the row anyway.
ALTER TABLE attempts
  -- Since when the contact was due when it was claimed.
  ADD COLUMN due_at timestamptz,
  -- When its call file was renamed into outgoing/, by the node's clock. Written at its end; null where the process was restarted meanwhile.
  ADD COLUMN placed_at timestamptz,
  -- When Asterisk began the call, to the second, as its file says at the end; null where it never did.
  ADD COLUMN begun_at timestamptz;
