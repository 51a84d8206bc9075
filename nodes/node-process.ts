/**
 * One engine node: the checks before anything starts, its worker threads, its projector, and the end.
 *
 *   starting (config, durability, streams, schema) → running → draining (SIGTERM) → ended, 0
 *   any → failed, 1: a thread that ends by itself takes the node with it; who started it starts it again
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";

import { type ConnectOptions, connectBus, type NatsConnection } from "../bus/connect.ts";
import { NotDurable, requireDurable } from "../bus/durability.ts";
import { serverTroubles } from "../bus/server-health.ts";
import { ensureJournals, ensureLosable, onceClusterLeads, replicasFor } from "../bus/streams.ts";
import { PostgresUnavailable } from "../readmodel/connect.ts";
import type { HaltedLog } from "./checkpoints/keeper.ts";
import type { NodeConfig } from "./config.ts";
import { DurabilityWatch } from "./durability-watch.ts";
import { removeHealth, writeHealth } from "./health.ts";
import type { Log } from "./log.ts";
import { migrate } from "./postgres/migrate.ts";
import type { ShardBacklog } from "./projector.ts";
import type { FromProjector, ProjectorWorkerData, ToProjector } from "./projector-thread.ts";
import type { OwnerStats } from "./shard-owner.ts";
import { refuseStrangers } from "./versions.ts";
import type { FromWorker, ToWorker, WorkerStart } from "./worker.ts";

const HEALTH_MS = 1_000;
/** A drain that takes longer ends the process anyway: what is undecided stays undecided. ms */
const DRAIN_MS = 10_000;
const POSTGRES_RETRY_MS = 1_000;
/** While shards are not decided, the servers are asked for their own health this often, in ms. */
const TROUBLE_MS = 5_000;
/** Pause between two tries to make the stream of live entries, in ms. */
const REMAKE_MS = 500;

/** A running node. */
export class NodeProcess {
  readonly #config: NodeConfig;
  readonly #log: Log;
  readonly #control: NatsConnection;
  readonly #workers: readonly Worker[];
  readonly #projector: Worker;
  readonly #stats = new Map<number, Extract<FromWorker, { kind: "stats" }>>();
  readonly #health: NodeJS.Timeout;
  readonly #durability: DurabilityWatch | undefined;
  readonly #ended = Promise.withResolvers<number>();
  #backlog: readonly ShardBacklog[] = [];
  #haltedLogs: readonly HaltedLog[] = [];
  #draining = false;
  #askedServersAt = Number.NEGATIVE_INFINITY;
  #troubles = "";
  #exits = 0;
  #flushes = 0;

  /**
   * Checks everything that must be so, then starts the threads.
   * @throws BusUnreachable, NotDurable, StreamRefused, VersionRefused, MigrationRefused: each says what
   * to do.
   */
  static async start(config: NodeConfig, log: Log): Promise<NodeProcess> {
    const control = await connectBus({ ...config.nats, name: `${config.name} main` });
    try {
      const { system, unsafeDev, shards, era, init } = config;
      await requireDurable(control, system, unsafeDev, (message) => log.alarm(message));
      const prepare = async () => {
        const replicas = replicasFor(control);
        await ensureJournals(control, { shards, era, replicas }, init);
        await ensureLosable(control, replicas);
        await refuseStrangers(control, config);
      };
      await onceClusterLeads(control, prepare, (reason) => {
        log.warn("waiting for JetStream of the NATS cluster to take streams", { reason });
      });
      await migrateWhenThere(config.postgresUrl, log);
    } catch (error) {
      await control.close();
      throw error;
    }
    return new NodeProcess(config, log, control);
  }

  private constructor(config: NodeConfig, log: Log, control: NatsConnection) {
    this.#config = config;
    this.#log = log;
    this.#control = control;
    const { shards, era, postgresUrl, name, log: signing } = config;
    const nats = loginOf(config.nats);
    this.#projector = new Worker(new URL("./projector-thread.ts", import.meta.url), {
      name: "projector",
      workerData: {
        postgresUrl,
        nats,
        era,
        ...(signing.keys.length === 0 ? {} : { log: signing }),
      } satisfies ProjectorWorkerData,
    });
    this.#projector.on("message", (message: FromProjector) => this.#fromProjector(message));
    this.#follow(this.#projector, "projector");
    this.#workers = Array.from({ length: config.workers }, (_, index) => {
      const { weight, version } = config;
      const place = { node: name, index, shards, era, weight, version };
      const start: WorkerStart = { nats, postgresUrl, ...place };
      const worker = new Worker(new URL("./worker.ts", import.meta.url), {
        name: `worker ${index}`,
        workerData: start,
      });
      worker.on("message", (message: FromWorker) => this.#fromWorker(message));
      this.#follow(worker, `worker ${index}`);
      return worker;
    });
    this.#health = setInterval(() => this.#tellHealth(), HEALTH_MS);
    this.#durability = this.#watchDurability();
    void this.#followConnection();
    if (signing.keys.length === 0) {
      log.warn("no checkpoint is signed here: set TARMAC_LOG_KEY, like file:.tarmac/keys/log-key");
    }
    log.info("node started", { shards, workers: config.workers, nats: config.nats.servers });
  }

  /** Settles with the exit code when the node has ended. */
  get ended(): Promise<number> {
    return this.#ended.promise;
  }

  /** Gives every shard up in order and ends. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#log.info("node drains");
    setTimeout(() => this.#fail("the drain took too long"), DRAIN_MS).unref();
    for (const worker of this.#workers) worker.postMessage({ kind: "drain" } satisfies ToWorker);
  }

  #toProjector(message: ToProjector): void {
    this.#projector.postMessage(message);
  }

  #fromWorker(message: FromWorker): void {
    switch (message.kind) {
      case "started":
        break;
      case "ownership":
        this.#toProjector(message.owned ? { own: message.shard } : { release: message.shard });
        break;
      case "hurry":
        this.#flushes += 1;
        this.#toProjector({ flush: this.#flushes });
        break;
      case "stats":
        this.#stats.set(message.index, message);
        if (message.missing.length > 0 || message.shards.some(isUnresolved)) this.#askServers();
        break;
    }
  }

  #fromProjector(message: FromProjector): void {
    if ("backlog" in message) {
      this.#backlog = message.backlog;
      this.#haltedLogs = message.haltedLogs;
    }
    if (!("log" in message)) return;
    const { level, message: text, shard } = message.log;
    this.#log[level](text, { part: "projector", ...(shard === undefined ? {} : { shard }) });
  }

  #follow(worker: Worker, name: string): void {
    worker.on("error", (error) => this.#log.alarm("a thread broke down", { thread: name, error }));
    worker.on("exit", (code) => this.#exited(worker, name, code));
  }

  #exited(worker: Worker, name: string, code: number): void {
    if (!this.#draining || code !== 0) {
      this.#fail(`${name} ended with ${code}`);
      return;
    }
    this.#exits += 1;
    if (worker !== this.#projector && this.#exits === this.#workers.length) {
      // What the owners appended last is projected by whoever owns the shards next.
      this.#toProjector({ stop: true });
    }
    if (this.#exits === this.#workers.length + 1) void this.#finish(0);
  }

  #fail(reason: string): void {
    this.#log.alarm("node ends", { reason });
    void this.#finish(1);
  }

  async #finish(code: number): Promise<void> {
    clearInterval(this.#health);
    this.#durability?.stop();
    await removeHealth(this.#config.healthFile).catch(() => undefined);
    await this.#control.close().catch(() => undefined);
    this.#ended.resolve(code);
  }

  #tellHealth(): void {
    const stats = [...this.#stats.values()];
    const missing = stats.flatMap((worker) => worker.missing);
    const shards = stats.flatMap((worker) => worker.shards);
    const { name, healthFile, workers } = this.#config;
    const ready = stats.length === workers && missing.length === 0 && !this.#draining;
    const health = {
      node: name,
      pid: process.pid,
      at: new Date().toISOString(),
      ready,
      missing,
      shards,
      projector: this.#backlog,
      halted_logs: this.#haltedLogs,
    };
    writeHealth(healthFile, health).catch((error: unknown) => {
      this.#log.warn("health cannot be written", { file: healthFile, error });
    });
  }

  /** Shards that cannot be taken or written may have their reason in a server, such as a full disk. */
  #askServers(): void {
    const { system } = this.#config;
    const now = performance.now();
    if (system === undefined || now - this.#askedServersAt < TROUBLE_MS) return;
    this.#askedServersAt = now;
    serverTroubles(system).then(
      (troubles) => {
        const text = troubles.join("; ");
        if (text !== "" && text !== this.#troubles) {
          this.#log.alarm("nothing is decided, because NATS is not well", { reason: text });
        }
        this.#troubles = text;
      },
      // Without an answer there is nothing to say that the lost connection has not said.
      () => undefined,
    );
  }

  /** A server that was restarted may have been given another configuration. */
  #watchDurability(): DurabilityWatch | undefined {
    const { system, unsafeDev } = this.#config;
    if (system === undefined) return undefined;
    return new DurabilityWatch(system, (problems) => {
      const { message } = new NotDurable(problems);
      if (unsafeDev) this.#log.alarm(message);
      else this.#fail(message);
    });
  }

  async #followConnection(): Promise<void> {
    for await (const status of this.#control.status()) {
      if (status.type === "disconnect") this.#log.warn("NATS is away", { server: status.server });
      if (status.type !== "reconnect") continue;
      this.#log.info("NATS is back", { server: status.server });
      await this.#durability?.look();
      await this.#remakeLosable();
    }
  }

  /**
   * Live entries are kept in memory: a server that was restarted has lost their stream. Its JetStream
   * may be later than its connections, so this tries until it is done.
   */
  async #remakeLosable(): Promise<void> {
    let said = false;
    while (!this.#control.isClosed()) {
      try {
        await ensureLosable(this.#control, replicasFor(this.#control));
        return;
      } catch (cause) {
        // Who watches reads Postgres meanwhile.
        if (!said) this.#log.warn("the stream of live entries could not be made yet", { cause });
        said = true;
        await sleep(REMAKE_MS);
      }
    }
  }
}

function isUnresolved({ term }: OwnerStats): boolean {
  return term?.phase === "unresolved";
}

function loginOf({ servers, user, pass, tls }: ConnectOptions): Omit<ConnectOptions, "name"> {
  return {
    servers,
    ...(tls === undefined ? {} : { tls }),
    ...(user === undefined ? {} : { user }),
    ...(pass === undefined ? {} : { pass }),
  };
}

/** Postgres may come up after the node: until then no shard can be taken, and it says so. */
async function migrateWhenThere(url: string, log: Log): Promise<void> {
  let told = false;
  for (;;) {
    try {
      const applied = await migrate(url);
      if (applied.length > 0) log.info("schema brought up to date", { applied });
      return;
    } catch (error) {
      if (!(error instanceof PostgresUnavailable)) throw error;
      if (!told) {
        log.warn("waiting for Postgres: check TARMAC_POSTGRES_URL and that it runs", { error });
      }
      told = true;
      await sleep(POSTGRES_RETRY_MS);
    }
  }
}
