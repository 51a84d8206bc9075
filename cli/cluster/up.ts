/**
 * `tarmac up`: a whole cluster on this machine, in this order, each step waiting for the one before:
 *
 *   nats-server → Postgres → engine nodes → first workspace → simulated providers → gateway → console
 *   → demo
 *
 * and stopped in the opposite order. Children are in process groups of their own, so that Ctrl-C
 * reaches this process only; they end by themselves when it is killed.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { CliConfig } from "../config.ts";
import { EngineSession } from "../engine-session.ts";
import { Failure, note, step } from "../output.ts";
import { provisionConfig } from "../provision/config.ts";
import { freePort, isPortFree } from "../provision/free-port.ts";
import { findNatsServer } from "../provision/nats-binary.ts";
import { natsLoginUrl } from "../provision/nats-config.ts";
import { startNats } from "../provision/nats-server.ts";
import { startPostgres } from "../provision/postgres.ts";
import type { RunningChild } from "../provision/processes.ts";
import {
  type ClusterFile,
  readClusterFile,
  removeClusterFile,
  writeClusterFile,
} from "./cluster-file.ts";
import { type Home, homeAt } from "./home.ts";
import {
  buildPages,
  type Servers,
  type Simulated,
  signInLink,
  startConsole,
  startDemo,
  startGateway,
  startNode,
  startSimulatedProviders,
} from "./processes.ts";
import { demoKeys, ensureWorkspaces, STARTER_WORKSPACE, type StarterKeys } from "./starter.ts";

/** Anything that was started and has to be stopped. */
interface Stoppable {
  readonly name: string;
  readonly pid: number;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  readonly stop: () => Promise<unknown>;
  /** Where it says why, when it ends. */
  readonly logFile?: string;
}

/** A cluster that runs, until it is stopped or one of its processes ends. */
export interface RunningCluster {
  readonly file: ClusterFile;
  readonly keys: StarterKeys;
  /** Signs in to the console, once. */
  readonly signInUrl: string;
  /** Settles with the name of a process that ended by itself. */
  readonly failed: Promise<string>;
  stop(): Promise<void>;
}

/** How long gateway and console may take until they serve, in ms. */
const READY_MS = 30_000;

/** Starts the cluster. What was started is stopped again when a later step fails. @throws Failure */
export async function startCluster(config: CliConfig): Promise<RunningCluster> {
  const home = homeAt(config.home);
  await mkdir(home.keys, { recursive: true, mode: 0o700 });
  await mkdir(home.logs, { recursive: true });
  const running = await readClusterFile(home.clusterFile);
  if (running !== undefined) {
    throw new Failure(
      `Tarmac already runs from ${config.home} (process ${running.pid}, ${running.gateway_url}). Stop it with: npx tarmac down`,
    );
  }
  await requirePort(config.gatewayPort, config.bind, "TARMAC_GATEWAY_PORT");
  await requirePort(config.consolePort, config.bind, "TARMAC_CONSOLE_PORT");
  const started: Stoppable[] = [];
  try {
    return await startAll(config, home, started);
  } catch (error) {
    await stopAll(started);
    throw error;
  }
}

/** @throws Failure naming the variable that chooses another port. */
async function requirePort(port: number, bind: string, variable: string): Promise<void> {
  if (await isPortFree(port, bind)) return;
  throw new Failure(
    `Port ${port} on ${bind} is taken. Free it, or choose another: ${variable}=${port + 1} npm start`,
  );
}

async function startAll(
  config: CliConfig,
  home: Home,
  started: Stoppable[],
): Promise<RunningCluster> {
  const servers = await startServers(config, home, started);
  for (let number = 1; number <= config.nodes; number += 1) {
    const node = await startNode(config, home, servers, number);
    started.push(withLog(node, home));
  }
  const operatorUrl = servers.natsUrl("operator");
  const keys = await step(`${config.nodes} engine nodes own ${config.shards} shards`, () =>
    withSession(
      config,
      operatorUrl,
      (session) => ensureWorkspaces(session, home, config.demo),
      started,
    ),
  );
  const simulated = await startProviders(config, home, started);
  const gatewayUrl = `http://${urlHost(config.bind)}:${config.gatewayPort}`;
  const gateway = await startGateway(config, home, servers, simulated);
  started.push(withLog(gateway, home));
  await step(`gateway ${gatewayUrl}`, () => untilReady(`${gatewayUrl}/readyz`, gateway, home));
  const consoleUrl = await startPages(config, home, servers, simulated, started);
  if (config.demo) {
    const keysFile = await demoKeys(home);
    started.push(withLog(await startDemo(config, home, gatewayUrl, keysFile), home));
  }
  const file: ClusterFile = {
    v: 1,
    pid: process.pid,
    started_at: new Date().toISOString(),
    gateway_url: gatewayUrl,
    console_url: consoleUrl,
    nats_url: withoutLogin(operatorUrl),
    operator_url: operatorUrl,
    system_url: servers.natsSystemUrl,
    postgres_url: servers.postgresUrl,
    workspace: STARTER_WORKSPACE,
    providers: {
      anthropic: isSimulated(config, "anthropic") ? "simulated" : "real",
      openai: isSimulated(config, "openai") ? "simulated" : "real",
    },
    processes: started.map(({ name, pid }) => ({ name, pid })),
  };
  const signInUrl = await signInLink(config, home);
  await writeClusterFile(home.clusterFile, file);
  let stopping = false;
  const failed = Promise.race(
    started.map(async ({ name, exited, logFile }) => {
      const { code, signal } = await exited;
      // While everything is being stopped, a process that ends is what was asked for.
      if (stopping) return new Promise<string>(() => undefined);
      const why = signal === null ? `exit code ${code}` : signal;
      return `${name} ended (${why})${logFile === undefined ? "" : `; its log: ${logFile}`}`;
    }),
  );
  return {
    file,
    keys,
    signInUrl,
    failed,
    async stop() {
      stopping = true;
      await stopAll(started);
      await removeClusterFile(home.clusterFile);
    },
  };
}

/** The console with its pages. Pages that cannot be built are said so, and the rest runs. */
async function startPages(
  config: CliConfig,
  home: Home,
  servers: Servers,
  simulated: Simulated | undefined,
  started: Stoppable[],
): Promise<string> {
  try {
    await step("console built", buildPages);
  } catch (error) {
    note(`  ✗ console not built: ${error instanceof Error ? error.message : String(error)}`);
  }
  const url = `http://${urlHost(config.bind)}:${config.consolePort}`;
  const child = await startConsole(config, home, servers, simulated);
  started.push(withLog(child, home));
  await step(`console ${url}`, () => untilReady(`${url}/healthz`, child, home));
  return url;
}

/** NATS and Postgres: those the environment names, else our own. */
async function startServers(config: CliConfig, home: Home, started: Stoppable[]): Promise<Servers> {
  const provision = provisionConfig(config.environment);
  let postgresUrl = config.postgresUrl;
  if (postgresUrl === undefined) {
    const logFile = join(home.logs, "postgres.log");
    const postgres = await step("Postgres", () =>
      startPostgres({ dir: home.postgres, keysDir: home.keys, logFile }),
    );
    started.push({ ...postgres, name: "postgres", logFile });
    postgresUrl = await postgres.createDatabase("tarmac");
  }
  const { natsUrl, natsSystemUrl } = config;
  if (natsUrl !== undefined && natsSystemUrl !== undefined) {
    return { natsSystemUrl, natsUrl: () => natsUrl, postgresUrl };
  }
  const found = await step("nats-server found", () =>
    findNatsServer({
      cacheDir: provision.cacheDir,
      onProgress: (line) => note(`    ${line}`),
      ...(provision.natsServer === undefined ? {} : { explicitPath: provision.natsServer }),
    }),
  );
  const logFile = join(home.logs, "nats.log");
  const nats = await step(`nats-server ${found.version} with JetStream, every write synced`, () =>
    startNats({
      binary: found.path,
      dir: home.nats,
      keysDir: home.keys,
      logFile,
      shards: config.shards,
    }),
  );
  started.push({ ...nats, name: "nats-server", logFile });
  return {
    natsSystemUrl: nats.systemUrl,
    natsUrl: (user) => natsLoginUrl(nats.logins[user]),
    postgresUrl,
  };
}

function isSimulated(config: CliConfig, provider: "anthropic" | "openai"): boolean {
  if (provider === "anthropic") return !config.anthropicIsReal;
  return !config.openaiIsReal;
}

/** Simulated providers stand in for those without a key. */
async function startProviders(
  config: CliConfig,
  home: Home,
  started: Stoppable[],
): Promise<Simulated | undefined> {
  if (!isSimulated(config, "anthropic") && !isSimulated(config, "openai")) return undefined;
  const port = await freePort();
  const child = await startSimulatedProviders(home, port);
  started.push(withLog(child, home));
  const url = `http://127.0.0.1:${port}`;
  return { anthropicBaseUrl: `${url}/anthropic`, openaiBaseUrl: `${url}/openai/v1` };
}

function withLog(child: RunningChild, home: Home): Stoppable {
  return { ...child, logFile: join(home.logs, `${child.name}.log`) };
}

async function stopAll(started: readonly Stoppable[]): Promise<void> {
  for (const child of started.toReversed()) await child.stop();
}

/** Runs a step over an operator's session; a process that ends meanwhile ends the wait. */
async function withSession<T>(
  config: CliConfig,
  operatorUrl: string,
  run: (session: EngineSession) => Promise<T>,
  started: readonly Stoppable[],
): Promise<T> {
  const session = await EngineSession.openUrl(operatorUrl, config.natsCa);
  const ended = Promise.race(
    started.map(async ({ name, exited, logFile }) => {
      const { code, signal } = await exited;
      const tail = logFile === undefined ? "" : `\n${await lastLines(logFile)}`;
      throw new Failure(`${name} ended while starting (${signal ?? `exit code ${code}`}).${tail}`);
    }),
  );
  try {
    return await Promise.race([run(session), ended]);
  } finally {
    await session.close();
  }
}

/** Waits until a process answers well at `url`. @throws Failure with its log's end */
async function untilReady(url: string, child: RunningChild, home: Home): Promise<void> {
  const deadline = performance.now() + READY_MS;
  let last = "no answer";
  while (performance.now() < deadline && child.exit() === undefined) {
    try {
      const response = await fetch(url);
      if (response.ok) return;
      last = `${response.status} ${await response.text()}`;
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
    }
    await sleep(50);
  }
  const tail = await lastLines(join(home.logs, `${child.name}.log`));
  throw new Failure(`The ${child.name} is not ready (${last}). The end of its log:\n${tail}`);
}

async function lastLines(logFile: string): Promise<string> {
  const { readFile } = await import("node:fs/promises");
  const text = await readFile(logFile, "utf8").catch(() => "");
  return text.trimEnd().split("\n").slice(-12).join("\n");
}

/** A host as it stands in a URL that this machine can open. */
function urlHost(bind: string): string {
  if (bind === "0.0.0.0" || bind === "::") return "127.0.0.1";
  return bind.includes(":") ? `[${bind}]` : bind;
}

function withoutLogin(url: string): string {
  const parsed = new URL(url.split(",")[0] ?? url);
  return `nats://${parsed.host}`;
}
