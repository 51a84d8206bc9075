/** Pure hashing: which shard a workspace belongs to, and which live worker a shard belongs to. */

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** FNV-1a, 32 bits, over the UTF-16 code units of an ASCII text: what the server's `partition()` computes. */
export function fnv1a32(text: string): number {
  let hash = FNV_OFFSET;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME);
  }
  return hash >>> 0;
}

/** The shard of a workspace among `shards`: equal to the server's own subject mapping. */
export function shardOf(ws: string, shards: number): number {
  return fnv1a32(ws) % shards;
}

/** A live worker and its share: a worker of weight 2 gets twice the shards of one of weight 1. */
export interface PlacementMember {
  readonly id: string;
  readonly weight: number;
}

/** Spreads the bits of a hash (the finalizer of MurmurHash3), so that near-equal names draw independently. */
function mix(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * Rendezvous hashing with weights: the member that draws the highest score owns the shard. A member
 * that joins takes only its share, one that leaves gives up only its own. Ties go to the lesser id.
 * @returns the member's id, or `undefined` when there are none.
 */
export function rendezvous(shard: number, members: readonly PlacementMember[]): string | undefined {
  let best: string | undefined;
  let bestScore = Number.NEGATIVE_INFINITY;
  for (const member of members) {
    // A draw in (0, 1); −weight ÷ ln(draw) orders weighted draws exactly by share.
    const draw = (mix(fnv1a32(`${shard}/${member.id}`)) + 0.5) / 2 ** 32;
    const score = -member.weight / Math.log(draw);
    if (score > bestScore || (score === bestScore && (best === undefined || member.id < best))) {
      best = member.id;
      bestScore = score;
    }
  }
  return best;
}
