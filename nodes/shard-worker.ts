import { hash, randomBytes } from "node:crypto";

import { rendezvous } from "../actors/placement.ts";
import { ConfigWriter } from "../bus/config-writer.ts";
import { type ConnectOptions, connectBus, type NatsConnection } from "../bus/connect.ts";
import { machineClock } from "./actor-clock.ts";
import { Arrivals } from "./arrivals.ts";
import { natsFeed } from "./command-feed.ts";
import { JetstreamJournal } from "./jetstream-journal.ts";
import { Lease, leaseKey, leaseSeconds } from "./lease.ts";
import type { Log } from "./log.ts";
import { Members } from "./members.ts";
import type { RecordStore, SnapshotStore } from "./ports.ts";
import { saltSource } from "./salts.ts";
import { type OwnerPorts, type OwnerStats, ShardOwner } from "./shard-owner.ts";
import { rememberingPeriods } from "./zone.ts";

export interface ShardWorkerOptions {
  readonly nats: Omit<ConnectOptions, "name">;
  readonly node: string;
  /** Number of the worker in its node. */
  readonly index: number;
  readonly shards: number;
  readonly era: number;
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

/** How often a worker looks what it should own, besides being told of changes. ms */
const PLACE_MS = 250;

/**
 * One event loop that owns shards: those that rendezvous hashing over the live workers gives it. It
 * takes what is its own and free, and gives up in order what is no longer its own.
 */
export class ShardWorker {
  readonly #connections: Connections;
  readonly #members: Members;
  readonly #config: ConfigWriter;
  readonly #arrivals: Arrivals;
  readonly #owners: readonly ShardOwner[];
  readonly #placing: NodeJS.Timeout;
  readonly #renewing: NodeJS.Timeout;
  #draining = false;

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
    const { node, index, shards, era } = options;
    const { commands, appends, replay, control } = connections;
    this.#connections = connections;
    const ttlSeconds = leaseSeconds(control);
    this.#members = new Members(
      control,
      { id: `${node}/${index}`, node, weight: 1 },
      ttlSeconds,
      () => this.#place(),
    );
    this.#config = new ConfigWriter(control, (message) => ports.log.warn(message));
    this.#arrivals = new Arrivals(() => machineClock.monotonicMs());
    const shared: Omit<OwnerPorts, "journal" | "lease"> = {
      ...ports,
      clock: machineClock,
      periodsAt: rememberingPeriods(),
      sha256Hex: (text) => hash("sha256", text),
      salt: saltSource(),
      config: this.#config,
      feed: natsFeed(commands, this.#arrivals),
    };
    // A worker that is started again under its name is another owner: what it left may be in flight.
    const owner = `${node}/${index}-${randomBytes(4).toString("hex")}`;
    this.#owners = Array.from({ length: shards }, (_, shard) => {
      const journal = new JetstreamJournal({ shard, era, appends, replay });
      const lease = new Lease(control, leaseKey(shard, era), owner, ttlSeconds);
      return new ShardOwner({ shard, era, shards, owner }, { ...shared, journal, lease });
    });
    this.#placing = setInterval(() => this.#place(), PLACE_MS);
    this.#renewing = setInterval(() => this.#renew(), (ttlSeconds * 1_000) / 4);
  }

  /** What each shard is to this worker, those that are nothing to it left out. */
  get stats(): readonly OwnerStats[] {
    return this.#owners.map((owner) => owner.stats).filter(({ phase }) => phase !== "idle");
  }

  /** The shards that hashing gives this worker; none before the others are known. */
  get due(): readonly number[] {
    const alive = this.#members.alive;
    if (alive === undefined || this.#draining) return [];
    const mine = (_: ShardOwner, shard: number) => rendezvous(shard, alive) === this.#members.id;
    return this.#owners.flatMap((owner, shard) => (mine(owner, shard) ? [shard] : []));
  }

  /** Gives up everything in order and closes. */
  async drain(): Promise<void> {
    this.#draining = true;
    clearInterval(this.#placing);
    await this.#members.leave().catch(() => undefined);
    await Promise.all(this.#owners.map((owner) => owner.give()));
    clearInterval(this.#renewing);
    this.#members.stop();
    this.#config.stop();
    this.#arrivals.stop();
    const { commands, appends, replay, control } = this.#connections;
    // Answers may still be on their way out.
    await commands.drain().catch(() => undefined);
    await Promise.all([appends, replay, control].map((nc) => nc.close()));
  }

  #place(): void {
    if (this.#draining || this.#members.alive === undefined) return;
    const due = new Set(this.due);
    for (const [shard, owner] of this.#owners.entries()) {
      // Neither rejects: what goes wrong is logged and tried again.
      if (due.has(shard)) void owner.take();
      else if (owner.phase === "owning" || owner.phase === "taking") void owner.give();
    }
  }

  #renew(): void {
    for (const owner of this.#owners) void owner.renew();
  }
}
