/** How many shards change their owner when a member comes or goes, against the least that could. */
import { type PlacementMember, rendezvous } from "../../actors/placement.ts";

/** One change of the members. Shares are of all shards. */
export interface Moved {
  /** Members after the change. */
  readonly members: number;
  readonly shards: number;
  readonly moved_share: number;
  /** What the joining member's share would be exactly, or the leaving one's was: 1/N. */
  readonly ideal_share: number;
  /** Shards that moved between members that neither came nor went. Always 0 with rendezvous hashing. */
  readonly stray: number;
}

/** Compares two maps. `changed` is who came or went; `all` how many members the larger side has. */
export function movedBetween(
  before: readonly (string | undefined)[],
  after: readonly (string | undefined)[],
  changed: string,
  all: number,
): Omit<Moved, "members"> {
  let moved = 0;
  let stray = 0;
  for (const [shard, owner] of before.entries()) {
    const next = after[shard];
    if (next === owner) continue;
    moved += 1;
    if (next !== changed && owner !== changed) stray += 1;
  }
  const shards = before.length;
  return { ideal_share: rounded(1 / all), moved_share: rounded(moved / shards), shards, stray };
}

/** What hashing alone moves when one member joins `members` others: over many sets of names. */
export interface MovedOverSeeds {
  readonly members: number;
  readonly shards: number;
  readonly sets: number;
  readonly ideal_share: number;
  readonly mean_share: number;
  readonly p99_share: number;
  readonly stray: number;
}

/** Joins a member to many sets of differently named ones. A leave is the same change backwards. */
export function joinOverSeeds(members: number, shards: number, sets: number): MovedOverSeeds {
  const shares: number[] = [];
  let stray = 0;
  for (let set = 0; set < sets; set += 1) {
    const after: PlacementMember[] = Array.from({ length: members }, (_, i) => ({
      id: `set-${set}-node-${i}-0`,
      weight: 1,
    }));
    const changed = after[members - 1]?.id ?? "";
    const owners = (alive: readonly PlacementMember[]) =>
      Array.from({ length: shards }, (_, shard) => rendezvous(shard, alive));
    const found = movedBetween(owners(after.slice(0, -1)), owners(after), changed, members);
    shares.push(found.moved_share);
    stray += found.stray;
  }
  const sorted = shares.toSorted((a, b) => a - b);
  return {
    ideal_share: rounded(1 / members),
    mean_share: rounded(shares.reduce((sum, share) => sum + share, 0) / sets),
    members,
    p99_share: sorted[Math.ceil(sets * 0.99) - 1] ?? 0,
    sets,
    shards,
    stray,
  };
}

const rounded = (share: number) => Math.round(share * 10_000) / 10_000;
