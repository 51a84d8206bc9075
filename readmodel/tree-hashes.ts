/**
 * Hashes of a workspace's Merkle tree, as they are stored: full tiles of 256 hashes in `tree_tiles`.
 * What is no full tile yet is made of the roots of the tiles below it, and at the bottom of the lines.
 */
import type pg from "pg";

import { nodeHash, type Subtree, type SubtreeReader } from "../ledger/merkle.ts";
import { sha256 } from "./node-crypto.ts";

/** Levels of the tree that one level of tiles spans: 256 is 2 to the 8th. */
const TILE_HEIGHT = 8;
const TILE_WIDTH = 256n;
const HASH_BYTES = 32;

/** The tree is not stored as far as a proof asks for. */
export class NotInLog extends Error {
  override readonly name = "NotInLog";
  readonly code = "not-in-log";
  readonly outcome = "none";
}

/** A tile by its place; `hashes` begins with its first and may end before its last. */
interface Tile {
  readonly level: number;
  readonly index: bigint;
  readonly hashes: readonly Uint8Array[];
}

type TilePlace = Omit<Tile, "hashes">;

/** Where the hashes stand that a subtree is made of: `count` of them in one tile, from `offset` on. */
interface Cut extends TilePlace {
  readonly offset: number;
  readonly count: number;
}

function cutOf({ level, index }: Subtree): Cut {
  const count = 2 ** (level % TILE_HEIGHT);
  const first = index * BigInt(count);
  return {
    level: Math.floor(level / TILE_HEIGHT),
    index: first / TILE_WIDTH,
    offset: Number(first % TILE_WIDTH),
    count,
  };
}

const nameOf = ({ level, index }: TilePlace) => `${level}/${index}`;

/**
 * Reads all that the subtrees are made of, in three queries at most, and hands out their hashes.
 * @throws NotInLog when the tree is not stored that far.
 */
export async function readSubtrees(
  pool: pg.Pool,
  ws: string,
  subtrees: readonly Subtree[],
): Promise<SubtreeReader> {
  const wanted = new Map<string, TilePlace>();
  for (const subtree of subtrees) {
    const { level, index } = cutOf(subtree);
    wanted.set(nameOf({ level, index }), { level, index });
  }
  const tiles = new Map<string, Tile>();
  const keep = (found: readonly Tile[]) => found.forEach((tile) => tiles.set(nameOf(tile), tile));
  keep(await fullTiles(pool, ws, [...wanted.values()]));
  const partial = [...wanted.values()].filter((place) => !tiles.has(nameOf(place)));
  const bottom = partial.filter(({ level }) => level === 0);
  const above = partial.filter(({ level }) => level > 0);
  const [lines, roots] = await Promise.all([
    leavesOf(pool, ws, bottom),
    rootsUnder(pool, ws, above),
  ]);
  keep([...lines, ...roots]);
  return (level, index) => {
    const cut = cutOf({ level, index });
    const hashes = tiles.get(nameOf(cut))?.hashes.slice(cut.offset, cut.offset + cut.count) ?? [];
    if (hashes.length === cut.count) return folded(hashes);
    const last = (index + 1n) << BigInt(level);
    throw new NotInLog(`the log of workspace ${ws} does not reach entry ${last} yet`);
  };
}

/** The root over a power of two of hashes. */
function folded(hashes: readonly Uint8Array[]): Uint8Array {
  let level = hashes;
  while (level.length > 1) {
    level = Array.from({ length: level.length / 2 }, (_, i) =>
      nodeHash(level[2 * i] as Uint8Array, level[2 * i + 1] as Uint8Array, sha256),
    );
  }
  return level[0] as Uint8Array;
}

async function fullTiles(
  pool: pg.Pool,
  ws: string,
  places: readonly TilePlace[],
): Promise<readonly Tile[]> {
  if (places.length === 0) return [];
  const found = await pool.query<{ level: number; index: string; hashes: Buffer }>({
    name: "tree-tiles",
    text: `SELECT t.level, t.index, t.hashes
      FROM unnest($2::smallint[], $3::bigint[]) AS p(level, index)
      JOIN tree_tiles t ON t.ws = $1 AND t.level = p.level AND t.index = p.index`,
    values: [ws, places.map(({ level }) => level), places.map(({ index }) => String(index))],
  });
  return found.rows.map(({ level, index, hashes }) => ({
    level,
    index: BigInt(index),
    hashes: Array.from({ length: hashes.length / HASH_BYTES }, (_, i) =>
      hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES),
    ),
  }));
}

/** Leaf hashes of lines that are in no full tile: at most 255 in a row, for one or two tiles. */
async function leavesOf(
  pool: pg.Pool,
  ws: string,
  places: readonly TilePlace[],
): Promise<readonly Tile[]> {
  if (places.length === 0) return [];
  const found = await pool.query<{ index: string; seq: string; leaf: Buffer }>({
    name: "tree-leaves",
    text: `SELECT p.index, e.seq, sha256('\\x00'::bytea || e.line) AS leaf
      FROM unnest($2::bigint[]) AS p(index)
      JOIN entries e ON e.ws = $1 AND e.seq > p.index * 256 AND e.seq <= (p.index + 1) * 256
      ORDER BY e.seq`,
    values: [ws, places.map(({ index }) => String(index))],
  });
  return places.map(({ index }) => {
    const own = found.rows.filter((row) => row.index === String(index));
    const first = index * TILE_WIDTH + 1n;
    return { level: 0, index, hashes: inARow(own, first, (row) => [row.seq, row.leaf]) };
  });
}

/** Roots of the full tiles below those that are no full tiles yet. */
async function rootsUnder(
  pool: pg.Pool,
  ws: string,
  places: readonly TilePlace[],
): Promise<readonly Tile[]> {
  if (places.length === 0) return [];
  const found = await pool.query<{ level: number; index: string; below: string; root: Buffer }>({
    name: "tree-roots",
    text: `SELECT p.level, p.index, t.index AS below, t.root
      FROM unnest($2::smallint[], $3::bigint[]) AS p(level, index)
      JOIN tree_tiles t ON t.ws = $1 AND t.level = p.level - 1
        AND t.index >= p.index * 256 AND t.index < (p.index + 1) * 256
      ORDER BY t.level, t.index`,
    values: [ws, places.map(({ level }) => level), places.map(({ index }) => String(index))],
  });
  return places.map(({ level, index }) => {
    const own = found.rows.filter((row) => row.level === level && row.index === String(index));
    const first = index * TILE_WIDTH;
    return { level, index, hashes: inARow(own, first, (row) => [row.below, row.root]) };
  });
}

/** The hashes of rows as far as none is missing between them. */
function inARow<Row>(
  rows: readonly Row[],
  first: bigint,
  read: (row: Row) => readonly [place: string, hash: Buffer],
): Uint8Array[] {
  const hashes: Uint8Array[] = [];
  for (const row of rows) {
    const [place, hash] = read(row);
    if (BigInt(place) !== first + BigInt(hashes.length)) break;
    hashes.push(hash);
  }
  return hashes;
}
