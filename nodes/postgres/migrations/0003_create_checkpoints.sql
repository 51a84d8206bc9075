-- Each workspace's Merkle tree over the lines of its entries, and what was signed of it. The tree can
-- be built again from the entries. Signatures can not be taken back, so they are only ever added.

-- Full tiles as C2SP tlog-tiles cuts them: a hash of level L is the root of a complete subtree of
-- 256^L leaves, and tile N of a level holds the 256 hashes from N * 256 on. What is no full tile yet
-- is in entries (level 0) or in the roots of the tiles one level below.
CREATE TABLE tree_tiles (
  ws text COLLATE "C" NOT NULL,
  level smallint NOT NULL,
  index bigint NOT NULL,
  -- 256 SHA-256 hashes.
  hashes bytea NOT NULL,
  -- Root over them: the hash at this tile's index of the level above.
  root bytea NOT NULL,
  CONSTRAINT tree_tiles_pkey PRIMARY KEY (ws, level, index),
  CONSTRAINT tree_tiles_hashes_check CHECK (octet_length(hashes) = 8192),
  CONSTRAINT tree_tiles_root_check CHECK (octet_length(root) = 32)
);
ALTER TABLE tree_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;

-- The checkpoints of a workspace are a chain: each names the one that it follows, and no two follow the
-- same. A row is written before anything is signed; the note is added to it once.
CREATE TABLE checkpoints (
  ws text COLLATE "C" NOT NULL,
  size bigint NOT NULL,
  -- Size of the checkpoint before it; 0 for the first.
  follows bigint NOT NULL,
  root bytea NOT NULL,
  -- The signed note as it was handed out; null until it is signed.
  note text,
  -- Verifier keys of those who signed, the newest first.
  vkeys text[],
  signed_at timestamptz,
  CONSTRAINT checkpoints_pkey PRIMARY KEY (ws, size),
  CONSTRAINT checkpoints_follows_key UNIQUE (ws, follows),
  CONSTRAINT checkpoints_size_check CHECK (size > follows),
  CONSTRAINT checkpoints_root_check CHECK (octet_length(root) = 32),
  CONSTRAINT checkpoints_note_check
    CHECK ((note IS NULL) = (vkeys IS NULL) AND (note IS NULL) = (signed_at IS NULL))
);
