/**
 * A cluster for benches and tests: real nats-server and Postgres, engine nodes and gateway as the real
 * processes that `tarmac up` starts, in a directory of its own.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connectBus, type NatsConnection } from "../../bus/connect.ts";
import { EngineClient } from "../../bus/engine-client.ts";
import { EngineSession } from "../../cli/engine-session.ts";
import { freePort } from "../../cli/provision/free-port.ts";
import { natsLoginUrl } from "../../cli/provision/nats-config.ts";
import { type RunningChild, startChild } from "../../cli/provision/processes.ts";
import { startTestServers, type TestServers } from "../../cli/provision/test-cluster.ts";
import { pushConfig } from "../../cli/push-config.ts";
import type { ConfigChange, PolicySettings } from "../../ledger/workspace-config.ts";
import { buildPriceCard } from "../../prices/card.ts";
import { newLogKeyLine } from "../../readmodel/log-keys.ts";
import { inheritedEnvironment } from "./config.ts";
import { untilReady } from "./node-health.ts";

export interface ClusterOptions {
  readonly nodes?: number;
  readonly shards?: number;
  /** NATS servers: 1 unless given, or a cluster of 3. */
  readonly servers?: 1 | 3;
  /** Worker threads of each node. */
  readonly workers?: number;
  /** More environment for nodes. */
  readonly nodeEnv?: NodeJS.ProcessEnv;
}

/** How one node is started, where it is not as the others. */
export interface NodeStart {
  readonly workers?: number;
}

/** A workspace to make. */
export interface WorkspacePlan {
  readonly ws: string;
  readonly changes: readonly ConfigChange[];
  readonly policy?: PolicySettings;
}

export interface BenchCluster {
  readonly servers: TestServers;
  readonly postgresUrl: string;
  readonly operatorUrl: string;
  readonly gatewayNatsUrl: string;
  readonly session: EngineSession;
  readonly nodes: readonly RunningChild[];
  /** A client of the engine on a connection of its own, as a gateway has it. */
  engine(): Promise<{ readonly client: EngineClient; readonly nc: NatsConnection }>;
  configure(plan: WorkspacePlan): Promise<void>;
  startNode(number: number, start?: NodeStart): Promise<RunningChild>;
  startGateway(options: GatewayOptions): Promise<RunningGateway>;
  stop(): Promise<void>;
}

export interface GatewayOptions {
  readonly anthropicBaseUrl: string;
  readonly openaiBaseUrl: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly name?: string;
}

export interface RunningGateway {
  readonly url: string;
  readonly child: RunningChild;
  readonly logFile: string;
}

const program = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** Starts servers and nodes; workspaces come with `configure`. */
export async function startBenchCluster(options: ClusterOptions = {}): Promise<BenchCluster> {
  const shards = options.shards ?? 4;
  const servers = await startTestServers({ servers: options.servers ?? 1, shards });
  const started: RunningChild[] = [];
  const open: { close(): Promise<unknown> }[] = [];
  const stop = async () => {
    for (const connection of open) await connection.close();
    for (const child of started.toReversed()) await child.stop();
    await servers.stop();
  };
  try {
    const postgresUrl = await servers.createDatabase();
    const { logins } = servers.nats;
    const operatorUrl = natsLoginUrl(logins.operator);
    const env: NodeJS.ProcessEnv = {
      ...inheritedEnvironment(),
      TARMAC_HOME: servers.dir,
      // The ledgers are signed as they are by `tarmac up`.
      BENCH_LOG_KEY: newLogKeyLine(),
      TARMAC_LOG_KEY: "env:BENCH_LOG_KEY",
      TARMAC_NATS_SYSTEM_URL: servers.nats.systemUrl,
      TARMAC_NATS_URL: natsLoginUrl(logins.node),
      TARMAC_POSTGRES_URL: postgresUrl,
      TARMAC_SHARDS: String(shards),
      TARMAC_WORKERS: String(options.workers ?? 1),
      ...options.nodeEnv,
    };
    const startNode = async (number: number, { workers }: NodeStart = {}) => {
      const name = `node-${number}`;
      const args = ["--init", "--name", name];
      const own = workers === undefined ? env : { ...env, TARMAC_WORKERS: String(workers) };
      const node = await startProcess(servers.dir, name, "nodes/main.ts", args, own);
      started.push(node);
      return node;
    };
    const nodes: RunningChild[] = [];
    for (let number = 1; number <= (options.nodes ?? 2); number += 1) {
      const node = await startNode(number);
      nodes.push(node);
      // Three servers take seconds to make the streams, and a node that only looks on gives up.
      if (number === 1 && options.servers === 3) await untilReady(servers.dir, node);
    }
    const session = await EngineSession.openUrl(operatorUrl);
    open.push(session);
    return {
      servers,
      postgresUrl,
      operatorUrl,
      gatewayNatsUrl: natsLoginUrl(logins.gateway),
      session,
      nodes,
      async engine() {
        const nc = await connectBus({ ...logins.gateway, name: "bench" });
        open.push(nc);
        return { client: new EngineClient(nc), nc };
      },
      configure: (plan) => configure(session, plan),
      startNode,
      async startGateway(gateway) {
        const running = await startGateway(servers.dir, natsLoginUrl(logins.gateway), gateway);
        started.push(running.child);
        return running;
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function configure(session: EngineSession, plan: WorkspacePlan): Promise<void> {
  const answer = await pushConfig(session, { by: "bench", card: buildPriceCard(), ...plan });
  if (answer.kind === "refused") {
    throw new Error([answer.message, ...(answer.problems ?? [])].join("\n"));
  }
}

function startProcess(
  dir: string,
  name: string,
  path: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<RunningChild> {
  return startChild({
    args: [program(path), ...args],
    command: process.execPath,
    env,
    logFile: join(dir, "logs", `${name}.log`),
    name,
    parentDeathSignal: "SIGTERM",
    stop: [{ graceMs: 15_000, signal: "SIGTERM" }],
  });
}

async function startGateway(
  dir: string,
  natsUrl: string,
  options: GatewayOptions,
): Promise<RunningGateway> {
  const port = await freePort();
  const name = options.name ?? "gateway";
  const child = await startProcess(dir, name, "gateway/main.ts", [], {
    ...inheritedEnvironment(),
    ANTHROPIC_API_KEY: "simulated",
    OPENAI_API_KEY: "simulated",
    TARMAC_BIND: "127.0.0.1",
    TARMAC_GATEWAY_PORT: String(port),
    TARMAC_HOME: join(dir, name),
    TARMAC_NATS_URL: natsUrl,
    TARMAC_PROVIDER_ANTHROPIC_BASE_URL: options.anthropicBaseUrl,
    TARMAC_PROVIDER_OPENAI_BASE_URL: options.openaiBaseUrl,
    ...options.env,
  });
  const url = `http://127.0.0.1:${port}`;
  const deadline = performance.now() + 30_000;
  for (;;) {
    const ready = await fetch(`${url}/readyz`).then(
      (response) => response.ok,
      () => false,
    );
    if (ready) return { child, logFile: join(dir, "logs", `${name}.log`), url };
    if (child.exit() !== undefined || performance.now() > deadline) {
      throw new Error(`the gateway is not ready; it said:\n${await child.output()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
