/**
 * What faults are done to: one nats-server or a cluster of three, Postgres, and engine nodes as real
 * processes, each of which reaches each NATS server over a link of its own. The servers of a cluster
 * reach each other over links too. Clients have none: what they miss is the engine's doing.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { jetstreamManager } from "@nats-io/jetstream";
import { connectBus, type NatsConnection } from "../../bus/connect.ts";
import { FIRST_ERA, journalStream } from "../../bus/subjects.ts";
import { EngineSession } from "../../cli/engine-session.ts";
import { provisionConfig } from "../../cli/provision/config.ts";
import { freePort } from "../../cli/provision/free-port.ts";
import { findNatsServer } from "../../cli/provision/nats-binary.ts";
import { startNatsCluster } from "../../cli/provision/nats-cluster.ts";
import { natsLoginUrl } from "../../cli/provision/nats-config.ts";
import type { NatsMember } from "../../cli/provision/nats-member.ts";
import { type RunningNats, startNats } from "../../cli/provision/nats-server.ts";
import { type RunningPostgres, startPostgres } from "../../cli/provision/postgres.ts";
import { type RunningChild, startChild } from "../../cli/provision/processes.ts";
import { pushConfig } from "../../cli/push-config.ts";
import { buildPriceCard } from "../../prices/card.ts";
import type { WorkspacePlan } from "../cluster/cluster.ts";
import { inheritedEnvironment } from "../cluster/config.ts";
import { Link } from "../links/link.ts";
import { RouteLinks } from "./route-links.ts";

export interface WorldOptions {
  readonly servers: 1 | 3;
  readonly nodes: number;
  readonly shards: number;
  /** Leave the directory behind. */
  readonly keep: boolean;
}

export interface WorldNode {
  readonly number: number;
  readonly child: RunningChild;
  /** To each NATS server, in the order of the members. */
  readonly links: readonly Link[];
}

const NODE_PROGRAM = fileURLToPath(new URL("../../nodes/main.ts", import.meta.url));

export class World {
  readonly dir: string;
  readonly options: WorldOptions;
  readonly nats: RunningNats;
  readonly routes: RouteLinks;
  readonly nodes = new Map<number, WorldNode>();
  readonly #postgresPort: number;
  readonly #links = new Map<number, readonly Link[]>();
  readonly #open: NatsConnection[] = [];
  #postgres: RunningPostgres | undefined;
  #postgresUrl = "";
  #session: EngineSession | undefined;

  /** Starts servers and nodes. */
  static async start(options: WorldOptions): Promise<World> {
    const dir = await mkdtemp(join(tmpdir(), "tarmac-faults-"));
    const { cacheDir, natsServer } = provisionConfig();
    const { path: binary } = await findNatsServer({
      cacheDir,
      onProgress: () => undefined,
      ...(natsServer === undefined ? {} : { explicitPath: natsServer }),
    });
    const routes = await RouteLinks.open(options.servers === 3 ? 3 : 0);
    const shared = {
      binary,
      dir: join(dir, "nats"),
      keysDir: join(dir, "keys"),
      shards: options.shards,
    };
    const logsDir = join(dir, "logs");
    const nats =
      options.servers === 3
        ? await startNatsCluster({
            ...shared,
            alter: (config, number) => routes.alter(config, number),
            logsDir,
            servers: 3,
          })
        : await startNats({ ...shared, logFile: join(logsDir, "nats.log") });
    const world = new World(dir, options, nats, routes, await freePort());
    try {
      await world.startPostgres();
      for (let number = 1; number <= options.nodes; number += 1) await world.startNode(number);
      world.#session = await EngineSession.openUrl(natsLoginUrl(nats.logins.operator));
      return world;
    } catch (error) {
      await world.stop();
      throw error;
    }
  }

  private constructor(
    dir: string,
    options: WorldOptions,
    nats: RunningNats,
    routes: RouteLinks,
    postgresPort: number,
  ) {
    this.dir = dir;
    this.options = options;
    this.nats = nats;
    this.routes = routes;
    this.#postgresPort = postgresPort;
  }

  /** How long a lease lasts, ms. */
  get leaseMs(): number {
    return this.options.servers === 3 ? 10_000 : 3_000;
  }

  get postgresUrl(): string {
    return this.#postgresUrl;
  }

  get session(): EngineSession {
    if (this.#session === undefined) throw new Error("there is no session yet");
    return this.#session;
  }

  logFile(name: string): string {
    return join(this.dir, "logs", `${name}.log`);
  }

  async startPostgres(): Promise<void> {
    this.#postgres = await startPostgres({
      dir: join(this.dir, "postgres"),
      keysDir: join(this.dir, "keys"),
      logFile: this.logFile("postgres"),
      port: this.#postgresPort,
    });
    this.#postgresUrl = await this.#postgres.createDatabase("tarmac");
  }

  async killPostgres(): Promise<void> {
    const postgres = this.#postgres;
    this.#postgres = undefined;
    if (postgres === undefined) throw new Error("Postgres does not run");
    process.kill(-postgres.pid, "SIGKILL");
    await postgres.exited;
  }

  /** Starts a node, and returns at once. Its links are the same as when it ran before. */
  async startNode(number: number): Promise<void> {
    let links = this.#links.get(number);
    if (links === undefined) {
      const opened = this.nats.members.map(({ port }) => Link.open({ host: "127.0.0.1", port }));
      links = await Promise.all(opened);
      this.#links.set(number, links);
    }
    const servers = links.map(({ port }) => `127.0.0.1:${port}`).join(",");
    const name = `node-${number}`;
    const child = await startChild({
      args: [NODE_PROGRAM, "--init", "--name", name],
      command: process.execPath,
      env: {
        ...inheritedEnvironment(),
        TARMAC_HOME: this.dir,
        TARMAC_NATS_SYSTEM_URL: this.nats.systemUrl,
        TARMAC_NATS_URL: natsLoginUrl({ ...this.nats.logins.node, servers }),
        TARMAC_POSTGRES_URL: this.#postgresUrl,
        TARMAC_SHARDS: String(this.options.shards),
        TARMAC_WORKERS: "1",
      },
      logFile: this.logFile(name),
      name,
      parentDeathSignal: "SIGTERM",
      stop: [{ graceMs: 20_000, signal: "SIGTERM" }],
    });
    this.nodes.set(number, { child, links, number });
  }

  /** Makes a workspace. @throws Error with every reason of a refusal */
  async configure(plan: WorkspacePlan): Promise<void> {
    const card = buildPriceCard();
    const answer = await pushConfig(this.session, { by: "faults", card, ...plan });
    if (answer.kind === "refused") {
      throw new Error([answer.message, ...(answer.problems ?? [])].join("\n"));
    }
  }

  /** A connection of its own, to whichever server takes it. */
  async connect(user: "gateway" | "operator"): Promise<NatsConnection> {
    const nc = await connectBus({ ...this.nats.logins[user], name: "faults" });
    this.#open.push(nc);
    return nc;
  }

  /** The server that leads a shard's journal, and the others. */
  async leaderOf(shard: number): Promise<NatsMember | undefined> {
    const manager = await jetstreamManager(this.session.nc, { checkAPI: false });
    const info = await manager.streams.info(journalStream(shard, FIRST_ERA));
    return this.nats.members.find(({ name }) => name === info.cluster?.leader);
  }

  /** Waits until every shard has its owner and none is on its way to another. */
  async untilSettled(timeoutMs = 60_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const owned = (await this.#healths()).flatMap(({ shards }) => shards);
      const phases = owned.filter(({ phase }) => phase === "owning");
      if (phases.length === this.options.shards && owned.length === phases.length) return;
      if (performance.now() > deadline) {
        throw new Error(`shards do not settle: ${JSON.stringify(owned)}`);
      }
      await sleep(100);
    }
  }

  /** Shards or workspaces that some node has halted, as it says of itself. */
  async halted(): Promise<readonly string[]> {
    return (await this.#healths()).flatMap(({ node, shards }) =>
      shards.flatMap(({ phase, reason, shard, term }) =>
        phase === "halted" || (term?.halted ?? 0) > 0 ? [`${node} shard ${shard}: ${reason}`] : [],
      ),
    );
  }

  async #healths(): Promise<readonly NodeHealth[]> {
    const found: NodeHealth[] = [];
    for (const number of this.nodes.keys()) {
      const file = join(this.dir, "nodes", `node-${number}.json`);
      const text = await readFile(file, "utf8").catch(() => "");
      if (text === "") continue;
      const health = JSON.parse(text) as NodeHealth;
      // A file that a killed node has left behind says nothing of now.
      if (Date.now() - Date.parse(health.at) < 3_000) found.push(health);
    }
    return found;
  }

  async stop(): Promise<void> {
    await this.#session?.close();
    await Promise.all(this.#open.map((nc) => nc.close()));
    for (const links of this.#links.values()) for (const link of links) link.heal();
    await Promise.all([...this.nodes.values()].map(({ child }) => child.stop()));
    await this.nats.stop();
    await this.#postgres?.stop();
    for (const links of this.#links.values()) for (const link of links) await link.close();
    await this.routes.close();
    if (this.options.keep) process.stderr.write(`kept: ${this.dir}\n`);
    else await rm(this.dir, { force: true, maxRetries: 10, recursive: true });
  }
}

/** What a node writes of itself, as far as it is read here. */
interface NodeHealth {
  readonly node: string;
  readonly at: string;
  readonly shards: readonly {
    readonly shard: number;
    readonly phase: string;
    readonly reason?: string;
    readonly term?: { readonly halted: number };
  }[];
}
