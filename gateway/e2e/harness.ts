import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import pg from "pg";
import {
  type ProviderOptions,
  type Providers,
  startProviders,
} from "../../bench/providers/server.ts";
import { connectBus, type NatsConnection } from "../../bus/connect.ts";
import { EngineClient } from "../../bus/engine-client.ts";
import { provisionConfig } from "../../cli/provision/config.ts";
import { freePort } from "../../cli/provision/free-port.ts";
import { findNatsServer } from "../../cli/provision/nats-binary.ts";
import { startNatsCluster } from "../../cli/provision/nats-cluster.ts";
import { type NatsTlsFiles, natsLoginUrl } from "../../cli/provision/nats-config.ts";
import { type RunningNats, startNats } from "../../cli/provision/nats-server.ts";
import { type RunningPostgres, startPostgres } from "../../cli/provision/postgres.ts";
import { type RunningChild, startChild } from "../../cli/provision/processes.ts";
import { decodeOwnEntry } from "../../ledger/codec.ts";
import type { Entry } from "../../ledger/entries.ts";
import type { AgentSettings } from "../../ledger/workspace-config.ts";
import { agentSettings, foundingCommand, GPT, newKey } from "../testing/workspace.ts";

/** A whole cluster of real processes: NATS, Postgres, two engine nodes, one gateway. */
export interface Cluster {
  readonly ws: string;
  readonly providers: Providers;
  readonly keys: Readonly<Record<string, string>>;
  readonly engine: EngineClient;
  readonly gatewayUrl: string;
  readonly nats: RunningNats;
  /** How many engine nodes have ended by themselves. */
  nodesEnded(): number;
  /** Signals both engine nodes, without a goodbye. */
  signalNodes(signal: NodeJS.Signals): void;
  /** Kills the gateway in the middle of what it does and starts another on the same home. */
  killGateway(): Promise<void>;
  stopGateway(): Promise<void>;
  startGateway(): Promise<void>;
  /** The workspace's month as the engine has it, nano-USD. */
  balance(): Promise<{ readonly settled: bigint; readonly held: bigint }>;
  /** Waits until no hold is open and the provider serves nothing. */
  quiet(): Promise<void>;
  /** Every entry of the workspace, in order, as the projector wrote it. */
  entries(): Promise<readonly Entry[]>;
  gatewayLog(): Promise<string>;
  stop(): Promise<void>;
}

export interface ClusterOptions {
  readonly agents?: Readonly<Record<string, Partial<AgentSettings>>>;
  readonly providers?: ProviderOptions;
  readonly expiryMs?: number;
  /** 1 unless given, or a cluster of 3. */
  readonly natsServers?: 1 | 3;
  /** Makes the certificates of NATS in a directory; then clients and routes of a cluster are encrypted. */
  readonly certificates?: (dir: string) => Promise<NatsTlsFiles>;
}

const SHARDS = 2;
const program = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** Starts one in a folder of its own. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const home = await mkdtemp(join(tmpdir(), "tarmac-e2e-"));
  const keysDir = join(home, "keys");
  const { cacheDir, natsServer } = provisionConfig();
  const { path } = await findNatsServer({
    cacheDir,
    ...(natsServer === undefined ? {} : { explicitPath: natsServer }),
    onProgress: () => undefined,
  });
  const tls = await options.certificates?.(join(home, "certificates"));
  const server = {
    binary: path,
    dir: join(home, "nats"),
    keysDir,
    shards: SHARDS,
    ...(tls === undefined ? {} : { tls }),
  };
  const [nats, postgres] = await Promise.all([
    options.natsServers === 3
      ? startNatsCluster({ ...server, logsDir: home })
      : startNats({ ...server, logFile: join(home, "nats.log") }),
    startPostgres({
      dir: join(home, "postgres"),
      keysDir,
      logFile: join(home, "postgres.log"),
      unsafeNoSync: true,
    }),
  ]);
  const postgresUrl = await postgres.createDatabase("tarmac");
  const trust: NodeJS.ProcessEnv =
    tls === undefined ? {} : { TARMAC_NATS_CA: `file:${tls.caFile}` };
  const parts = { home, nats, postgres, postgresUrl, trust };
  const nodes = await Promise.all([startNode(parts, 1), startNode(parts, 2)]);
  const operator = await connectBus({ ...loginOf(nats, "operator"), name: "test" });
  const engine = new EngineClient(operator);
  const { ws, keys } = await found(engine, options);
  const providers = await startProviders(options.providers);
  const gateway = new GatewayProcess(parts, providers, await freePort());
  await gateway.start();
  const database = new pg.Client({ connectionString: postgresUrl });
  await database.connect();
  const balance = () => monthOf(engine, ws);
  return {
    ws,
    providers,
    keys,
    engine,
    gatewayUrl: gateway.url,
    nats,
    nodesEnded: () => nodes.filter((node) => node.exit() !== undefined).length,
    signalNodes: (signal) => {
      for (const { pid } of nodes) process.kill(-pid, signal);
    },
    killGateway: () => gateway.kill(),
    stopGateway: () => gateway.stop(),
    startGateway: () => gateway.start(),
    balance,
    quiet: async () => {
      await providers.served.idle(60_000);
      await until(async () => (await balance()).held === 0n, "every hold has ended");
    },
    entries: () => entriesOf(engine, database, ws),
    gatewayLog: () => readFile(join(home, "gateway.log"), "utf8"),
    stop: () => stopAll({ gateway, providers, operator, database, nodes, nats, postgres, home }),
  };
}

interface Parts {
  readonly home: string;
  readonly nats: RunningNats;
  readonly postgres: RunningPostgres;
  readonly postgresUrl: string;
  /** By what processes trust NATS. */
  readonly trust: NodeJS.ProcessEnv;
}

function loginOf(nats: RunningNats, user: keyof RunningNats["logins"]) {
  const { servers, pass, tls } = nats.logins[user];
  return { servers, user, pass, ...(tls === undefined ? {} : { tls }) };
}

function startNode(
  { home, nats, postgresUrl, trust }: Parts,
  number: number,
): Promise<RunningChild> {
  const name = `node-${number}`;
  return startChild({
    name,
    command: process.execPath,
    args: [program("nodes/main.ts"), "--init", "--name", name],
    logFile: join(home, `${name}.log`),
    stop: [{ signal: "SIGTERM", graceMs: 10_000 }],
    parentDeathSignal: "SIGTERM",
    env: {
      ...process.env,
      ...trust,
      TARMAC_HOME: home,
      TARMAC_NATS_URL: natsLoginUrl(nats.logins.node),
      TARMAC_NATS_SYSTEM_URL: nats.systemUrl,
      TARMAC_POSTGRES_URL: postgresUrl,
      TARMAC_SHARDS: String(SHARDS),
    },
  });
}

/** Makes the workspace; the first answer comes once a node owns its shard. */
async function found(engine: EngineClient, options: ClusterOptions) {
  const ws = "acme";
  const keys: Record<string, string> = {};
  const agents = options.agents ?? { claude: {}, gpt: { lane: GPT } };
  const changes = Object.entries(agents).flatMap(([id, overrides]) => {
    const { key, change } = newKey(id);
    keys[id] = key;
    return [{ item: "agent" as const, id, value: agentSettings(overrides) }, change];
  });
  const command = foundingCommand(ws, changes, options.expiryMs);
  const answer = await engine.request(ws, command, { tryTimeoutMs: 5_000, deadlineMs: 60_000 });
  if (answer.kind !== "configured") throw new Error(`not configured: ${answer.kind}`);
  return { ws, keys };
}

class GatewayProcess {
  readonly #parts: Parts;
  readonly #providers: Providers;
  readonly #port: number;
  #child: RunningChild | undefined;

  constructor(parts: Parts, providers: Providers, port: number) {
    this.#parts = parts;
    this.#providers = providers;
    this.#port = port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    const { home, nats, trust } = this.#parts;
    this.#child = await startChild({
      name: "gateway",
      command: process.execPath,
      args: [program("gateway/main.ts")],
      logFile: join(home, "gateway.log"),
      stop: [{ signal: "SIGTERM", graceMs: 20_000 }],
      parentDeathSignal: "SIGTERM",
      env: {
        ...process.env,
        ...trust,
        TARMAC_HOME: home,
        TARMAC_GATEWAY_PORT: String(this.#port),
        TARMAC_NATS_URL: natsLoginUrl(nats.logins.gateway),
        TARMAC_PROVIDER_ANTHROPIC_BASE_URL: this.#providers.anthropicBaseUrl,
        TARMAC_PROVIDER_OPENAI_BASE_URL: this.#providers.openaiBaseUrl,
        ANTHROPIC_API_KEY: "sk-ant-simulated",
        OPENAI_API_KEY: "sk-simulated",
      },
    });
    const child = this.#child;
    await until(async () => {
      if (child.exit() !== undefined) throw new Error(`the gateway ended: ${await child.output()}`);
      const response = await fetch(`${this.url}/readyz`).catch(() => undefined);
      return response?.ok === true;
    }, "the gateway is ready");
  }

  async stop(): Promise<void> {
    await this.#child?.stop();
  }

  /** Ends it at once and starts it again. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    process.kill(-child.pid, "SIGKILL");
    await child.exited;
    await this.start();
  }
}

async function monthOf(engine: EngineClient, ws: string) {
  const answer = await engine.request(ws, { kind: "inspect" });
  if (answer.kind !== "inspected") throw new Error(`not inspected: ${answer.kind}`);
  const month = answer.balances?.find(({ cap }) => cap === `workspace:${ws}/month`);
  const { settled = 0n, held = 0n }: { settled?: bigint; held?: bigint } = month ?? {};
  return { settled, held };
}

/** Reads the ledger once the projector has reached the engine's head. */
async function entriesOf(engine: EngineClient, database: pg.Client, ws: string): Promise<Entry[]> {
  const answer = await engine.request(ws, { kind: "inspect" });
  if (answer.kind !== "inspected") throw new Error(`not inspected: ${answer.kind}`);
  let rows: { readonly line: Buffer }[] = [];
  await until(async () => {
    const sql = "SELECT line FROM entries WHERE ws = $1 ORDER BY seq";
    rows = (await database.query<{ line: Buffer }>(sql, [ws])).rows;
    return BigInt(rows.length) >= answer.seq;
  }, "the projector has caught up");
  return rows.map(({ line }) => decodeOwnEntry(line.toString("utf8")));
}

async function stopAll(all: {
  readonly gateway: GatewayProcess;
  readonly providers: Providers;
  readonly operator: NatsConnection;
  readonly database: pg.Client;
  readonly nodes: readonly RunningChild[];
  readonly nats: RunningNats;
  readonly postgres: RunningPostgres;
  readonly home: string;
}): Promise<void> {
  await all.gateway.stop();
  await all.providers.stop();
  await all.database.end();
  await all.operator.close();
  await Promise.all(all.nodes.map((node) => node.stop()));
  await all.nats.stop();
  await all.postgres.stop();
  await rm(all.home, { recursive: true, force: true, maxRetries: 10 });
}

/** Waits until something holds, at most 30 s. @throws Error naming what did not come about */
export async function until(
  holds: () => Promise<boolean>,
  what: string,
  withinMs = 30_000,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`after ${withinMs} ms not yet: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
