-- Call files that a node placed and that its PBX has not taken, as each heartbeat of the node found them: an Asterisk that is
-- stopped or has no pbx_spool looks to a tenant like calls that never end.
ALTER TABLE nodes
  ADD COLUMN untaken integer NOT NULL DEFAULT 0 CONSTRAINT node_untaken_not_negative CHECK (untaken >= 0),
  ADD COLUMN untaken_since timestamptz,
  ADD CONSTRAINT node_untaken_has_a_time CHECK ((untaken > 0) = (untaken_since IS NOT NULL));
