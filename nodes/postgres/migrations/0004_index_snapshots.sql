-- An owner reads an index of its actors and loads a state only when it is wanted. The sequence of the
-- last committed configuration tells without the state whether the gateways' bucket is behind.

-- Absent in rows of version 1, where only the state says it.
ALTER TABLE snapshots ADD COLUMN config_seq bigint;
