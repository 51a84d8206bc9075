-- Folded state of actors, so that an owner need not replay a journal from its start. Rebuilt by
-- replay when it is gone.

CREATE TABLE snapshot_positions (
  shard integer NOT NULL,
  era integer NOT NULL,
  -- Where the journal stood when the actors were written down.
  stream_seq bigint NOT NULL,
  -- SHA-256 of the last block up to there, hex; 64 zeros when there was none.
  block_hash text COLLATE "C" NOT NULL,
  epoch bigint NOT NULL,
  -- Ledger time of the cut.
  at timestamptz NOT NULL,
  CONSTRAINT snapshot_positions_pkey PRIMARY KEY (shard, era)
);

CREATE TABLE snapshots (
  shard integer NOT NULL,
  era integer NOT NULL,
  ws text COLLATE "C" NOT NULL,
  -- Version of this row's format and of what content_hash covers.
  version integer NOT NULL,
  seq bigint NOT NULL,
  -- SHA-256 of the entry at seq, hex.
  hash text COLLATE "C" NOT NULL,
  -- Earliest expiry of an open hold, ms since 1970.
  next_expiry_ms bigint,
  state bytea NOT NULL,
  -- SHA-256 over everything the row says, hex; checked when it is loaded.
  content_hash text COLLATE "C" NOT NULL,
  CONSTRAINT snapshots_pkey PRIMARY KEY (shard, era, ws)
);
