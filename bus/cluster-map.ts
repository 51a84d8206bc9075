/**
 * Which worker has which shard, put together from the buckets of members and leases: what
 * `tarmac nodes` and the console show. It is as true as those buckets are, a few seconds at most late.
 */
import type { NatsConnection } from "@nats-io/nats-core";

import { rendezvous } from "../actors/placement.ts";
import { Bucket, type BucketEntry, type BucketWatch } from "./bucket.ts";
import {
  decodeLease,
  decodeMark,
  decodeMember,
  type LeaseValue,
  type Member,
  parseLeasesKey,
  type ShardMark,
} from "./membership.ts";
import { LEASES_BUCKET, MEMBERS_BUCKET } from "./subjects.ts";

/**
 * `owned`: it decides. `taking`: its owner replays the journal. `moving`: it decides, and is about to be
 * handed over. `halted`: journal, snapshot or projection contradict each other. `free`: nobody has it.
 */
export type MapPhase = "owned" | "taking" | "moving" | "halted" | "free";

export interface MapShard {
  readonly shard: number;
  readonly phase: MapPhase;
  /** Id of the member that has it. */
  readonly owner: string | undefined;
  readonly epoch: bigint | undefined;
  /** Id of the member that hashing gives it to. */
  readonly wanted: string | undefined;
  /** Id of the member that has read its journal and waits for it. */
  readonly ready: string | undefined;
  /** Why it is halted. */
  readonly reason: string | undefined;
}

export interface MapMember extends Member {
  /** Shards that it has. */
  readonly shards: readonly number[];
}

export interface ClusterMap {
  readonly members: readonly MapMember[];
  readonly shards: readonly MapShard[];
}

/** The buckets cannot be read. Nothing was changed. */
export class MapUnreadable extends Error {
  override readonly name = "MapUnreadable";
  readonly code = "map-unreadable";
  readonly outcome = "none";
}

/** A lease and the marks of one shard. */
interface Standing {
  lease?: LeaseValue;
  ready?: ShardMark;
  halted?: ShardMark;
}

/**
 * Reads the map once.
 * @throws MapUnreadable when the buckets do not answer in time.
 */
export async function readClusterMap(nc: NatsConnection, withinMs: number): Promise<ClusterMap> {
  const watch = new ClusterMapWatch(nc);
  try {
    return await watch.whenReady(withinMs);
  } finally {
    watch.stop();
  }
}

/** The map as it changes, over one connection. */
export class ClusterMapWatch {
  readonly #members: BucketView;
  readonly #leases: BucketView;

  constructor(nc: NatsConnection) {
    this.#members = new BucketView(nc, MEMBERS_BUCKET);
    this.#leases = new BucketView(nc, LEASES_BUCKET);
  }

  /** The map as it stands, once it was read. @throws MapUnreadable when that takes too long. */
  async whenReady(withinMs: number): Promise<ClusterMap> {
    await Promise.all([this.#members.whenComplete(withinMs), this.#leases.whenComplete(withinMs)]);
    return mapOf(this.#members.entries, this.#leases.entries);
  }

  stop(): void {
    this.#members.stop();
    this.#leases.stop();
  }
}

/** Puts the map together from the keys of both buckets. */
export function mapOf(members: readonly BucketEntry[], leases: readonly BucketEntry[]): ClusterMap {
  const alive = members.flatMap(({ key, value, note }) => {
    const member = value === undefined ? undefined : decodeMember(key, value, note);
    return member === undefined ? [] : [member];
  });
  const standing = new Map<number, Standing>();
  for (const { key, value } of leases) {
    const place = parseLeasesKey(key);
    if (place === undefined || value === undefined) continue;
    const found = standing.get(place.shard) ?? {};
    standing.set(place.shard, found);
    if (place.kind === "lease") found.lease = decodeLease(value);
    else setMark(found, place.kind, decodeMark(value));
  }
  const told = alive.map(({ about }) => about?.shards ?? 0);
  const count = Math.max(0, ...told, ...[...standing.keys()].map((shard) => shard + 1));
  const shards = Array.from({ length: count }, (_, shard) =>
    shardOf(shard, standing.get(shard) ?? {}, alive),
  );
  const has = (id: string) => shards.flatMap(({ shard, owner }) => (owner === id ? [shard] : []));
  return {
    members: alive
      .map((member) => ({ ...member, shards: has(member.id) }))
      .sort((a, b) => (a.id < b.id ? -1 : 1)),
    shards,
  };
}

function setMark(found: Standing, kind: "ready" | "halted", mark: ShardMark | undefined): void {
  if (mark !== undefined) found[kind] = mark;
}

function shardOf(shard: number, standing: Standing, alive: readonly Member[]): MapShard {
  const { lease, ready, halted } = standing;
  const owner = lease === undefined ? undefined : (lease.member ?? lease.owner);
  return {
    shard,
    phase: phaseOf(standing),
    owner,
    epoch: lease?.epoch,
    wanted: rendezvous(shard, alive),
    ready: ready?.member,
    reason: halted === undefined ? undefined : `${halted.member}: ${halted.reason ?? "halted"}`,
  };
}

function phaseOf({ lease, halted }: Standing): MapPhase {
  if (lease === undefined) return halted === undefined ? "free" : "halted";
  // The first version does not say; whoever has its lease decides, but for moments.
  if (lease.phase === undefined || lease.phase === "owning") return "owned";
  return lease.phase === "taking" ? "taking" : "moving";
}

/** Every key of a bucket that stands. @throws MapUnreadable when it does not answer in time. */
export async function readBucket(
  nc: NatsConnection,
  bucket: string,
  withinMs: number,
): Promise<readonly BucketEntry[]> {
  const view = new BucketView(nc, bucket);
  try {
    await view.whenComplete(withinMs);
    return view.entries;
  } finally {
    view.stop();
  }
}

/** Every key of a bucket that stands, kept up to date. */
class BucketView {
  readonly #bucket: string;
  readonly #entries = new Map<string, BucketEntry>();
  readonly #watch: BucketWatch;
  readonly #complete = Promise.withResolvers<void>();

  constructor(nc: NatsConnection, bucket: string) {
    this.#bucket = bucket;
    this.#watch = new Bucket(nc, bucket).watch({
      changed: (entry) => {
        if (entry.value === undefined) this.#entries.delete(entry.key);
        else this.#entries.set(entry.key, entry);
      },
      complete: (keys) => {
        for (const key of [...this.#entries.keys()]) if (!keys.has(key)) this.#entries.delete(key);
        this.#complete.resolve();
      },
    });
  }

  get entries(): readonly BucketEntry[] {
    return [...this.#entries.values()];
  }

  async whenComplete(withinMs: number): Promise<void> {
    const late = Promise.withResolvers<never>();
    const why = "it does not exist, or this user may not read it, or NATS is away";
    const timer = setTimeout(() => {
      const bucket = this.#bucket;
      late.reject(new MapUnreadable(`bucket ${bucket} was not read in ${withinMs} ms: ${why}`));
    }, withinMs);
    try {
      await Promise.race([this.#complete.promise, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  stop(): void {
    this.#watch.stop();
  }
}
