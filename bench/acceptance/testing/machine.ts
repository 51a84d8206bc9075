/**
 * A machine with Tarmac on it for tests that break things: nats-server, Postgres, engine nodes and a
 * gateway as real processes, each of which can be killed, stopped and started again, alone or all at
 * once, on its own directory and port.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { connectBus, type NatsConnection } from "../../../bus/connect.ts";
import { EngineClient } from "../../../bus/engine-client.ts";
import { EngineSession } from "../../../cli/engine-session.ts";
import { provisionConfig } from "../../../cli/provision/config.ts";
import { freePort } from "../../../cli/provision/free-port.ts";
import { findNatsServer } from "../../../cli/provision/nats-binary.ts";
import {
  type NatsUser,
  natsLogin,
  natsLoginUrl,
  natsPasswords,
} from "../../../cli/provision/nats-config.ts";
import { startNats } from "../../../cli/provision/nats-server.ts";
import { startPostgres } from "../../../cli/provision/postgres.ts";
import { type ChildExit, type RunningChild, startChild } from "../../../cli/provision/processes.ts";
import { pushConfig } from "../../../cli/push-config.ts";
import { buildPriceCard, type PriceCard } from "../../../prices/card.ts";
import type { WorkspacePlan } from "../../cluster/cluster.ts";
import { acceptanceOptions } from "./options.ts";

export interface MachineOptions {
  /** 2 unless given. */
  readonly shards?: number;
  /** Where nats-server keeps its journal; a directory of this machine unless given. */
  readonly natsDir?: string;
  /** A database on a server of somebody else's; without it this machine has a Postgres of its own. */
  readonly postgresUrl?: string;
  /** Base URLs the gateway forwards to. */
  readonly providers?: { readonly anthropicBaseUrl: string; readonly openaiBaseUrl: string };
}

/** What every part has in common, whoever started it. */
interface Part {
  readonly pid: number;
  readonly exited: Promise<ChildExit>;
  readonly stop: () => Promise<unknown>;
}

/** What a node writes of itself. */
interface Health {
  readonly at: string;
  readonly shards: readonly { readonly shard: number; readonly phase: string }[];
}

/** `nats`, `postgres`, `gateway`, `node-1`, … */
export type PartName = "gateway" | "nats" | "postgres" | `node-${number}`;

const program = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
/** How long a part may take to be ready, on a machine that is out of breath. ms */
const READY_MS = 60_000;

export class Machine {
  readonly dir: string;
  readonly gatewayUrl: string;
  readonly #options: MachineOptions;
  readonly #ports: Readonly<Record<"gateway" | "nats" | "postgres", number>>;
  readonly #passwords: Readonly<Record<NatsUser, string>>;
  readonly #natsBinary: string;
  readonly #parts = new Map<PartName, Part>();
  readonly #open: { close(): Promise<unknown> }[] = [];
  #session: EngineSession | undefined;
  #postgresUrl: string | undefined;

  /** Nothing runs yet: parts are started one by one, or all with {@link start}. */
  static async create(options: MachineOptions = {}): Promise<Machine> {
    const dir = await mkdtemp(join(tmpdir(), "tarmac-machine-"));
    const ports = {
      gateway: await freePort(),
      nats: await freePort(),
      postgres: await freePort(),
    };
    const passwords = await natsPasswords(join(dir, "keys"));
    const { cacheDir, natsServer } = provisionConfig();
    const { path } = await findNatsServer({
      cacheDir,
      onProgress: () => undefined,
      ...(natsServer === undefined ? {} : { explicitPath: natsServer }),
    });
    return new Machine(dir, options, ports, passwords, path);
  }

  private constructor(
    dir: string,
    options: MachineOptions,
    ports: Machine["portNumbers"],
    passwords: Readonly<Record<NatsUser, string>>,
    natsBinary: string,
  ) {
    this.dir = dir;
    this.#options = options;
    this.#ports = ports;
    this.#passwords = passwords;
    this.#natsBinary = natsBinary;
    this.gatewayUrl = `http://127.0.0.1:${ports.gateway}`;
    this.#postgresUrl = options.postgresUrl;
  }

  get portNumbers(): Readonly<Record<"gateway" | "nats" | "postgres", number>> {
    return this.#ports;
  }

  get natsBinary(): string {
    return this.#natsBinary;
  }

  get shards(): number {
    return this.#options.shards ?? 2;
  }

  /** Of the database that nodes project into; there once Postgres was started. */
  get postgresUrl(): string {
    if (this.#postgresUrl === undefined) throw new Error("Postgres was never started");
    return this.#postgresUrl;
  }

  natsUrl(user: NatsUser, port = this.#ports.nats): string {
    return natsLoginUrl(natsLogin(user, `127.0.0.1:${port}`, this.#passwords[user]));
  }

  logFile(name: string): string {
    return join(this.dir, "logs", `${name}.log`);
  }

  /** All that a part has logged since this machine was made. */
  logOf(name: PartName): Promise<string> {
    return readFile(this.logFile(name), "utf8");
  }

  /** Starts servers, two nodes and the gateway; with `plans`, made before the gateway is. */
  async start(
    plans: readonly WorkspacePlan[] = [],
    gatewayEnv: NodeJS.ProcessEnv = {},
  ): Promise<void> {
    await Promise.all([this.startNats(), this.startPostgres()]);
    await Promise.all([this.startNode(1), this.startNode(2)]);
    for (const plan of plans) await this.configure(plan);
    await this.startGateway(gatewayEnv);
    if (plans.length > 0 || this.#session !== undefined) await this.untilReady();
  }

  async startNats(): Promise<void> {
    const nats = await startNats({
      binary: this.#natsBinary,
      dir: this.#options.natsDir ?? join(this.dir, "nats"),
      keysDir: join(this.dir, "keys"),
      logFile: this.logFile("nats"),
      port: this.#ports.nats,
      shards: this.shards,
    });
    this.#parts.set("nats", nats);
  }

  async startPostgres(): Promise<void> {
    if (this.#options.postgresUrl !== undefined) return;
    const postgres = await startPostgres({
      dir: join(this.dir, "postgres"),
      keysDir: join(this.dir, "keys"),
      logFile: this.logFile("postgres"),
      port: this.#ports.postgres,
    });
    this.#parts.set("postgres", postgres);
    this.#postgresUrl = await postgres.createDatabase("tarmac");
  }

  /** Where Postgres will be, also before it is started for the first time. */
  get futurePostgresUrl(): string {
    return this.#postgresUrl ?? `postgres://tarmac@127.0.0.1:${this.#ports.postgres}/tarmac`;
  }

  /** Starts a node and returns at once: it is ready when it owns its shards. */
  async startNode(number: number, env: NodeJS.ProcessEnv = {}): Promise<RunningChild> {
    const name: PartName = `node-${number}`;
    return await this.#startProgram(name, "nodes/main.ts", ["--init", "--name", name], {
      TARMAC_HOME: this.dir,
      TARMAC_NATS_SYSTEM_URL: this.natsUrl("system"),
      TARMAC_NATS_URL: this.natsUrl("node"),
      TARMAC_POSTGRES_URL: this.futurePostgresUrl,
      TARMAC_SHARDS: String(this.shards),
      TARMAC_WORKERS: "1",
      ...env,
    });
  }

  /** Starts the gateway and returns at once. Its outbox stands in a directory of its own. */
  async startGateway(env: NodeJS.ProcessEnv = {}): Promise<RunningChild> {
    const { providers } = this.#options;
    return await this.#startProgram("gateway", "gateway/main.ts", [], {
      ANTHROPIC_API_KEY: "sk-simulated",
      OPENAI_API_KEY: "sk-simulated",
      TARMAC_BIND: "127.0.0.1",
      TARMAC_GATEWAY_PORT: String(this.#ports.gateway),
      TARMAC_HOME: join(this.dir, "gateway"),
      TARMAC_NATS_URL: this.natsUrl("gateway"),
      ...(providers === undefined
        ? {}
        : {
            TARMAC_PROVIDER_ANTHROPIC_BASE_URL: providers.anthropicBaseUrl,
            TARMAC_PROVIDER_OPENAI_BASE_URL: providers.openaiBaseUrl,
          }),
      ...env,
    });
  }

  async #startProgram(
    name: PartName,
    path: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv,
  ): Promise<RunningChild> {
    const child = await startChild({
      args: [program(path), ...args],
      command: process.execPath,
      env: { ...process.env, ...env },
      logFile: this.logFile(name),
      name,
      parentDeathSignal: "SIGTERM",
      stop: [{ graceMs: 15_000, signal: "SIGTERM" }],
    });
    this.#parts.set(name, child);
    return child;
  }

  /** Resolves once the gateway could place a hold. @throws Error with what it said */
  async untilReady(): Promise<void> {
    const deadline = performance.now() + READY_MS;
    let last = "nothing";
    while (performance.now() < deadline) {
      try {
        const response = await fetch(`${this.gatewayUrl}/readyz`);
        if (response.ok) return;
        last = await response.text();
      } catch (error) {
        last = String(error);
      }
      await sleep(25);
    }
    throw new Error(`the gateway is not ready: ${last}\n${await this.logOf("gateway")}`);
  }

  /**
   * Waits until every shard has its owner and none is on its way to another: while Postgres is away,
   * a shard cannot be taken over.
   */
  async untilSettled(nodes: readonly number[] = [1, 2]): Promise<void> {
    const deadline = performance.now() + READY_MS;
    const sinceMs = Date.now();
    for (;;) {
      const healths = await Promise.all(nodes.map((number) => this.#healthOf(number)));
      // Written after two rounds of placing have come and gone.
      const fresh = healths.every((health) => Date.parse(health?.at ?? "") > sinceMs + 1_500);
      const owned = healths.flatMap((health) => health?.shards ?? []);
      const settled =
        owned.length === this.shards && owned.every(({ phase }) => phase === "owning");
      if (fresh && settled) return;
      if (performance.now() > deadline) {
        throw new Error(`shards do not settle: ${JSON.stringify(healths)}`);
      }
      await sleep(100);
    }
  }

  async #healthOf(number: number): Promise<Health | undefined> {
    const file = join(this.dir, "nodes", `node-${number}.json`);
    const text = await readFile(file, "utf8").catch(() => "");
    return text === "" ? undefined : (JSON.parse(text) as Health);
  }

  /** Names of the parts that were started and not ended by this machine, in the order of their start. */
  get running(): readonly PartName[] {
    return [...this.#parts.keys()];
  }

  /** `kill -9` of parts and of all that is in their process groups, in this order, without a pause. */
  async kill(...names: readonly PartName[]): Promise<void> {
    const gone = names.map((name) => {
      const part = this.#part(name);
      process.kill(-part.pid, "SIGKILL");
      this.#parts.delete(name);
      return part.exited;
    });
    await Promise.all(gone);
  }

  /** How a part that runs now will end. */
  exitOf(name: PartName): Promise<ChildExit> {
    return this.#part(name).exited;
  }

  /** Stops one part in order. */
  async stop(name: PartName): Promise<void> {
    const part = this.#part(name);
    this.#parts.delete(name);
    await part.stop();
  }

  #part(name: PartName): Part {
    const part = this.#parts.get(name);
    if (part === undefined) throw new Error(`${name} does not run`);
    return part;
  }

  /** The operator's session; it connects again by itself after an outage. */
  async session(): Promise<EngineSession> {
    this.#session ??= await EngineSession.openUrl(this.natsUrl("operator"));
    return this.#session;
  }

  /** Makes or changes a workspace. @throws Error with every reason of a refusal */
  async configure(plan: WorkspacePlan, card: PriceCard = buildPriceCard()): Promise<void> {
    const session = await this.session();
    const answer = await pushConfig(session, { by: "acceptance", card, ...plan });
    if (answer.kind === "refused") {
      throw new Error([answer.message, ...(answer.problems ?? [])].join("\n"));
    }
  }

  /** A client of the engine on a connection of its own, as a gateway has it. */
  async engine(): Promise<EngineClient> {
    const login = natsLogin("gateway", `127.0.0.1:${this.#ports.nats}`, this.#passwords.gateway);
    const nc: NatsConnection = await connectBus({ ...login, name: "acceptance" });
    this.#open.push(nc);
    return new EngineClient(nc);
  }

  /** Stops everything in order, the servers last, and removes the directory. */
  async close(): Promise<void> {
    await this.#session?.close();
    for (const connection of this.#open) await connection.close();
    const order = (name: PartName) =>
      name === "gateway" ? 0 : name.startsWith("node") ? 1 : name === "nats" ? 2 : 3;
    const names = [...this.#parts.keys()].toSorted((a, b) => order(a) - order(b));
    for (const name of names) await this.stop(name);
    if (acceptanceOptions().keep) process.stderr.write(`kept: ${this.dir}\n`);
    else await rm(this.dir, { force: true, recursive: true, maxRetries: 10 });
  }
}
