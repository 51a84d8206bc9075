import { hash, randomBytes } from "node:crypto";

import { rendezvous } from "../actors/placement.ts";
import { Bucket } from "../bus/bucket.ts";
import { ConfigWriter } from "../bus/config-writer.ts";
import { type ConnectOptions, connectBus, type NatsConnection } from "../bus/connect.ts";
import { leaseKey, type Member, markKey, memberKey } from "../bus/membership.ts";
import { LEASES_BUCKET } from "../bus/subjects.ts";
import { machineClock } from "./actor-clock.ts";
import { Arrivals } from "./arrivals.ts";
import { natsFeed } from "./command-feed.ts";
import { JetstreamJournal } from "./jetstream-journal.ts";
import { KeptKey } from "./kept-key.ts";
import { Lease, leaseSeconds } from "./lease.ts";
import { LeaseTable } from "./lease-table.ts";
import type { Log } from "./log.ts";
import { Members } from "./members.ts";
import type { RecordStore, SnapshotStore } from "./ports.ts";
import type { ShardPlace } from "./recovery.ts";
import { saltSource } from "./salts.ts";
import { type OwnerPorts, type OwnerStats, ShardOwner } from "./shard-owner.ts";
import { JOURNAL_FORMAT, SNAPSHOT_FORMAT } from "./versions.ts";
import { rememberingPeriods } from "./zone.ts";

export interface ShardWorkerOptions {
  readonly nats: Omit<ConnectOptions, "name">;
  readonly node: string;
  /** Number of the worker in its node. */
  readonly index: number;
  readonly shards: number;
  readonly era: number;
  /** Share of the shards, relative to other workers. */
  readonly weight: number;
  /** Of Tarmac, for who looks at the members. */
  readonly version: string;
  /** For how long another must have been there to be given shards, in ms. 3 s unless given. */
  readonly settleMs?: number;
  /** How often this worker looks what it should own, besides being told. Half a second unless given. */
  readonly placeMs?: number;
}

export interface ShardWorkerPorts {
  readonly snapshots: SnapshotStore;
  readonly records: RecordStore;
  readonly log: Log;
  readonly ownership: (shard: number, owned: boolean) => void;
  readonly hurry: () => void;
}

/** Connections of their own, so that no burst on one delays the others. */
interface Connections {
  readonly commands: NatsConnection;
  readonly appends: NatsConnection;
  readonly replay: NatsConnection;
  /** Leases, members and the gateways' configuration. */
  readonly control: NatsConnection;
}

/** What all shards of a worker share. */
type SharedPorts = Omit<OwnerPorts, "journal" | "lease" | "readyMark" | "haltedMark">;

/** How often a worker looks what it should own, besides being told of changes. ms */
const PLACE_MS = 500;
/** A worker that drains waits so long for others to be ready; it decides meanwhile. ms */
const HEIRS_MS = 3_000;

/**
 * One event loop that owns shards: those that rendezvous hashing over the live workers gives it. It
 * takes what is its own and free, stands by for what another still decides, and hands over in order what
 * is no longer its own.
 */
export class ShardWorker {
  readonly #connections: Connections;
  readonly #members: Members;
  readonly #leases: LeaseTable;
  readonly #config: ConfigWriter;
  readonly #arrivals: Arrivals;
  readonly #owners: readonly ShardOwner[];
  readonly #placing: NodeJS.Timeout;
  readonly #renewing: NodeJS.Timeout;
  readonly #node: string;
  /** This run of this worker, as leases and entries name it. */
  readonly #owner: string;
  readonly #log: Log;
  readonly #drained = Promise.withResolvers<void>();
  #draining = false;
  /** Nobody is waited for any more. */
  #late = false;
  #placeDue = false;

  /** @throws BusUnreachable when NATS is not there. */
  static async start(options: ShardWorkerOptions, ports: ShardWorkerPorts): Promise<ShardWorker> {
    const name = `${options.node}/${options.index}`;
    const connect = (use: string) => connectBus({ ...options.nats, name: `${name} ${use}` });
    const [commands, appends, replay, control] = await Promise.all([
      connect("commands"),
      connect("appends"),
      connect("replay"),
      connect("control"),
    ]);
    const worker = new ShardWorker({ commands, appends, replay, control }, options, ports);
    await worker.#members.join();
    return worker;
  }

  private constructor(
    connections: Connections,
    options: ShardWorkerOptions,
    ports: ShardWorkerPorts,
  ) {
    const { node, index, shards, era, weight } = options;
    const { control } = connections;
    this.#connections = connections;
    this.#node = node;
    this.#log = ports.log;
    const ttlSeconds = leaseSeconds(control);
    // A worker that is started again under its name is another owner: what it left may be in flight.
    const run = randomBytes(4).toString("hex");
    const self = { id: `${node}/${index}`, node, weight, about: aboutOf(options, run) };
    const placeSoon = () => this.#placeSoon();
    this.#members = new Members(control, self, ttlSeconds, placeSoon, {
      log: ports.log,
      settleMs: options.settleMs,
    });
    this.#leases = new LeaseTable(control, era, placeSoon);
    this.#config = new ConfigWriter(control, (message) => ports.log.warn(message));
    this.#arrivals = new Arrivals(() => machineClock.monotonicMs());
    const shared: SharedPorts = {
      ...ports,
      member: memberKey(self.id),
      clock: machineClock,
      periodsAt: rememberingPeriods(),
      sha256Hex: (text) => hash("sha256", text),
      salt: saltSource(),
      config: this.#config,
      feed: natsFeed(connections.commands, this.#arrivals),
      changed: placeSoon,
    };
    const owner = `${self.id}-${run}`;
    this.#owner = owner;
    this.#owners = Array.from({ length: shards }, (_, shard) => {
      const place = { shard, era, shards, owner };
      return new ShardOwner(place, { ...shared, ...this.#ownPorts(place, ttlSeconds) });
    });
    this.#placing = setInterval(() => this.#place(true), options.placeMs ?? PLACE_MS);
    this.#renewing = setInterval(() => this.#renew(), (ttlSeconds * 1_000) / 4);
  }

  #ownPorts(place: ShardPlace, ttlSeconds: number): Omit<OwnerPorts, keyof SharedPorts> {
    const { shard, era, owner } = place;
    const { appends, replay, control } = this.#connections;
    const leases = new Bucket(control, LEASES_BUCKET);
    const holder = { owner, member: this.#members.id };
    return {
      journal: new JetstreamJournal({ shard, era, appends, replay }),
      lease: new Lease(control, leaseKey(shard, era), holder, ttlSeconds),
      readyMark: new KeptKey(leases, markKey("ready", shard, era), ttlSeconds),
      haltedMark: new KeptKey(leases, markKey("halted", shard, era), ttlSeconds),
    };
  }

  /** What each shard is to this worker, those that are nothing to it left out. */
  get stats(): readonly OwnerStats[] {
    return this.#owners.map((owner) => owner.stats).filter(({ phase }) => phase !== "idle");
  }

  /**
   * Shards that hashing gives this worker and that nobody decides: neither this worker, nor another that
   * is to hand them over.
   */
  get missing(): readonly number[] {
    const alive = this.#members.alive;
    if (alive === undefined || this.#draining) return [];
    return this.#owners.flatMap(({ phase }, shard) => {
      const isMissing = phase !== "owning" && phase !== "giving" && phase !== "standing";
      return isMissing && rendezvous(shard, alive) === this.#members.id ? [shard] : [];
    });
  }

  /**
   * Hands everything over, all of it at once, and closes. Each shard is decided here until another worker
   * is ready for it, or until that takes too long.
   */
  async drain(): Promise<void> {
    this.#draining = true;
    const left = this.#members.leave().catch(() => undefined);
    const late = setTimeout(() => this.#stopWaiting(), HEIRS_MS);
    this.#placeSoon();
    await this.#drained.promise;
    clearTimeout(late);
    clearInterval(this.#placing);
    clearInterval(this.#renewing);
    await Promise.all([left, ...this.#owners.map((owner) => owner.forget())]);
    this.#leases.stop();
    this.#members.stop();
    this.#config.stop();
    this.#arrivals.stop();
    const { commands, appends, replay, control } = this.#connections;
    // Answers may still be on their way out.
    await commands.drain().catch(() => undefined);
    await Promise.all([appends, replay, control].map((nc) => nc.close()));
  }

  #stopWaiting(): void {
    this.#late = true;
    const shards = this.#owners.flatMap(({ phase }, shard) => (phase === "owning" ? [shard] : []));
    if (shards.length > 0) {
      const what = "given up although no other worker is ready; is Postgres there?";
      this.#log.warn(`shards ${what}`, { shards });
    }
    this.#placeSoon();
  }

  /** What happens together, such as many leases that are freed, is looked at together. */
  #placeSoon(): void {
    if (this.#placeDue) return;
    this.#placeDue = true;
    setImmediate(() => {
      this.#placeDue = false;
      this.#place(false);
    });
  }

  /** `byClock`: leases are read, and not only what the watch told of them. */
  #place(byClock: boolean): void {
    const alive = this.#members.alive;
    const among = this.#draining
      ? (alive ?? []).filter(({ node }) => node !== this.#node)
      : (alive ?? []);
    // Neither rejects: what goes wrong is logged and tried again.
    for (const [shard, owner] of this.#owners.entries()) {
      if (this.#draining) this.#part(shard, owner, rendezvous(shard, among));
      else if (alive !== undefined) this.#assign(shard, owner, rendezvous(shard, among), byClock);
    }
    if (this.#draining && this.#owners.every(({ isIdle }) => isIdle)) this.#drained.resolve();
  }

  #assign(shard: number, owner: ShardOwner, wanted: string | undefined, byClock: boolean): void {
    if (wanted !== this.#members.id) {
      this.#yield(shard, owner, wanted);
      return;
    }
    owner.keep();
    const lease = this.#leases.lease(shard);
    // A term of our own that broke off leaves a lease that nobody else will free.
    const isFree = lease?.owner === undefined || lease.owner === this.#owner;
    const freeAt = lease?.owner === undefined ? lease?.revision : undefined;
    if (isFree || byClock) void owner.take(freeAt);
    if (!isFree) owner.standBy();
  }

  /** The shard is another's. A worker that was only just seen may be gone again before it has it. */
  #yield(shard: number, owner: ShardOwner, wanted: string | undefined): void {
    if (owner.phase === "standing") owner.standDown();
    else if (owner.phase === "taking") void owner.give();
    if (owner.phase !== "owning" || wanted === undefined) return;
    if (!this.#members.isSettled(wanted)) return;
    owner.offer();
    if (owner.offered === "done" && this.#isReady(shard, wanted)) void owner.give();
  }

  /** This worker ends: whatever it has goes, with the others ready for it if they can be in time. */
  #part(shard: number, owner: ShardOwner, wanted: string | undefined): void {
    if (owner.phase === "standing") owner.standDown();
    else if (owner.phase === "taking") void owner.give();
    if (owner.phase !== "owning") return;
    if (owner.offered !== "failed") owner.offer();
    const isCut = owner.offered === "done" || owner.offered === "failed";
    const isAwaited = wanted === undefined || this.#isReady(shard, wanted);
    if (this.#late || (isCut && isAwaited)) void owner.give(wanted === undefined);
  }

  /** The first version does not tell when it is ready. */
  #isReady(shard: number, wanted: string): boolean {
    return this.#members.get(wanted)?.about === undefined || this.#leases.ready(shard) === wanted;
  }

  #renew(): void {
    for (const owner of this.#owners) void owner.renew();
  }
}

function aboutOf(options: ShardWorkerOptions, run: string): NonNullable<Member["about"]> {
  return {
    version: options.version,
    worker: options.index,
    shards: options.shards,
    run,
    startedAt: Date.now(),
    journal: JOURNAL_FORMAT,
    snapshot: SNAPSHOT_FORMAT,
  };
}
