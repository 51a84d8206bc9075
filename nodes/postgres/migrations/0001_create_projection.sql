-- What the projector writes. Everything here is rebuilt from the journal. Amounts are BIGINT
-- nano-USD. Ids sort by code point ("C"), whatever the locale of the database is.

-- Every ledger entry, with its very bytes. The tuples stay whole up to a page (entries of some 2 KB
-- are the rule, and the default would move them out of line or spend a core on compressing them).
CREATE TABLE entries (
  ws text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  kind text COLLATE "C" NOT NULL,
  at timestamptz NOT NULL,
  epoch bigint NOT NULL,
  authorization_id text COLLATE "C",
  agent text COLLATE "C",
  run text COLLATE "C",
  -- SHA-256 over key id and the client's idempotency key, hex; of authorize entries only.
  idempotency text COLLATE "C",
  -- The canonical bytes: what is hashed, exported and proved.
  line bytea NOT NULL,
  -- SHA-256 of the line.
  hash bytea NOT NULL,
  shard integer NOT NULL,
  era integer NOT NULL,
  stream_seq bigint NOT NULL,
  CONSTRAINT entries_pkey PRIMARY KEY (ws, seq)
) WITH (toast_tuple_target = 8160);
ALTER TABLE entries ALTER COLUMN line SET STORAGE EXTERNAL;

CREATE INDEX entries_by_authorization ON entries (ws, authorization_id, seq)
  WHERE authorization_id IS NOT NULL;
CREATE INDEX entries_by_idempotency ON entries (ws, idempotency, seq)
  WHERE idempotency IS NOT NULL;
-- Few entries, read together: what a commit makes count.
CREATE INDEX entries_of_configuration ON entries (ws, seq)
  WHERE kind IN ('configure', 'policy', 'price');

-- One row per authorization, folded from its entries. An id that was only ever voided has no opening.
CREATE TABLE receipts (
  authorization_id text COLLATE "C" NOT NULL,
  ws text COLLATE "C" NOT NULL,
  state text COLLATE "C" NOT NULL,
  outcome text COLLATE "C",
  rule text COLLATE "C",
  reason text COLLATE "C",
  agent text COLLATE "C",
  run text COLLATE "C",
  key_id text COLLATE "C",
  tool text,
  priority text COLLATE "C",
  -- As the client asked for it, and what was granted.
  model text,
  granted_model text,
  provider text COLLATE "C",
  tier text COLLATE "C",
  -- Set aside when it was opened; what of that is set aside still.
  held_nano bigint NOT NULL,
  open_nano bigint NOT NULL,
  settled_nano bigint NOT NULL,
  released_nano bigint NOT NULL,
  overage_nano bigint NOT NULL,
  assumed boolean NOT NULL,
  late boolean NOT NULL,
  opened_seq bigint,
  closed_seq bigint,
  last_seq bigint NOT NULL,
  -- Ledger time of the first entry and of the one that closed it.
  at timestamptz NOT NULL,
  closed_at timestamptz,
  CONSTRAINT receipts_pkey PRIMARY KEY (authorization_id, ws)
) WITH (fillfactor = 70);

CREATE INDEX receipts_by_opening ON receipts (ws, opened_seq) WHERE opened_seq IS NOT NULL;
CREATE INDEX receipts_by_agent ON receipts (ws, agent, opened_seq) WHERE opened_seq IS NOT NULL;

-- What each counter has counted, as the last entry that moved it says. A run of a single call
-- (its id begins with auth_) has no row: its receipt holds the same numbers.
CREATE TABLE balances (
  ws text COLLATE "C" NOT NULL,
  cap text COLLATE "C" NOT NULL,
  period text COLLATE "C" NOT NULL,
  settled_nano bigint NOT NULL,
  held_nano bigint NOT NULL,
  -- As of the last decision; null where nothing limits.
  limit_nano bigint,
  -- Basis points, as of the last decision.
  pace bigint,
  seq bigint NOT NULL,
  at timestamptz NOT NULL,
  CONSTRAINT balances_pkey PRIMARY KEY (ws, cap, period)
) WITH (fillfactor = 50);

-- The head of each workspace's chain.
CREATE TABLE workspaces (
  ws text COLLATE "C" NOT NULL,
  shard integer NOT NULL,
  seq bigint NOT NULL,
  -- SHA-256 of the entry at seq, hex.
  hash text COLLATE "C" NOT NULL,
  epoch bigint NOT NULL,
  at timestamptz NOT NULL,
  CONSTRAINT workspaces_pkey PRIMARY KEY (ws)
) WITH (fillfactor = 50);
CREATE INDEX workspaces_by_shard ON workspaces (shard);

-- The committed configuration, an item a row: what the last commit made count.
CREATE TABLE config_items (
  ws text COLLATE "C" NOT NULL,
  -- agent, cost_center, key, provider, team, workspace, policy or price.
  item text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  -- The item's JSON as it stands in its entry.
  value text NOT NULL,
  -- The commit, or the policy or price entry, that made it count.
  seq bigint NOT NULL,
  CONSTRAINT config_items_pkey PRIMARY KEY (ws, item, id)
);

-- How far each journal has been projected. Moved by compare-and-set only.
CREATE TABLE projector_positions (
  shard integer NOT NULL,
  era integer NOT NULL,
  -- Last message of the stream that is in these tables; 0 before the first.
  stream_seq bigint NOT NULL,
  -- SHA-256 of the last block up to there, hex; 64 zeros before the first.
  block_hash text COLLATE "C" NOT NULL,
  epoch bigint NOT NULL,
  -- Up to here a crash of Postgres loses nothing: written by a synchronous commit only.
  durable_stream_seq bigint NOT NULL,
  CONSTRAINT projector_positions_pkey PRIMARY KEY (shard, era)
) WITH (fillfactor = 25);
