import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { CliConfig } from "../config.ts";
import { ensureLogKeyFile } from "../log-key-file.ts";
import { type ChildSpec, type RunningChild, startChild } from "../provision/processes.ts";
import { runCommand } from "../provision/run-command.ts";
import type { Home } from "./home.ts";

/** What every process of the cluster has to know of the servers under it. */
export interface Servers {
  readonly natsUrl: (user: "console" | "gateway" | "node" | "operator") => string;
  readonly natsSystemUrl: string;
  readonly postgresUrl: string;
}

const program = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** A first build on a slow machine; later ones find nothing to do. ms */
const BUILD_MS = 180_000;
/** Time to finish what is under way: streams in flight at the gateway, hand-over of shards. ms */
const GRACE_MS = 15_000;

function spec(home: Home, name: string, path: string, args: readonly string[]): ChildSpec {
  return {
    args: [program(path), ...args],
    command: process.execPath,
    logFile: join(home.logs, `${name}.log`),
    name,
    parentDeathSignal: "SIGTERM",
    stop: [{ graceMs: GRACE_MS, signal: "SIGTERM" }],
  };
}

/**
 * Starts one engine node. `--init` lets it make the journal where there is none yet. Without a key of
 * the environment's, checkpoints are signed with one that is made here.
 */
export async function startNode(
  config: CliConfig,
  home: Home,
  servers: Servers,
  number: number,
): Promise<RunningChild> {
  const name = `node-${number}`;
  const given = config.environment["TARMAC_LOG_KEY"];
  const hasKey = given !== undefined && given !== "";
  if (!hasKey) await ensureLogKeyFile(home.logKey);
  return startChild({
    ...spec(home, name, "nodes/main.ts", ["--init", "--name", name]),
    env: {
      ...config.environment,
      TARMAC_HOME: home.root,
      TARMAC_LOG_KEY: hasKey ? given : `file:${home.logKey}`,
      TARMAC_NATS_SYSTEM_URL: servers.natsSystemUrl,
      TARMAC_NATS_URL: servers.natsUrl("node"),
      TARMAC_POSTGRES_URL: servers.postgresUrl,
      TARMAC_SHARDS: String(config.shards),
    },
  });
}

/** Where the simulated providers listen. */
export interface Simulated {
  readonly anthropicBaseUrl: string;
  readonly openaiBaseUrl: string;
}

/** Starts the gateway; providers without a real key are the simulated ones. */
export async function startGateway(
  config: CliConfig,
  home: Home,
  servers: Servers,
  simulated: Simulated | undefined,
): Promise<RunningChild> {
  await mkdir(home.outbox, { recursive: true, mode: 0o700 });
  const env: NodeJS.ProcessEnv = {
    ...config.environment,
    TARMAC_BIND: config.bind,
    TARMAC_GATEWAY_PORT: String(config.gatewayPort),
    TARMAC_HOME: home.root,
    TARMAC_NATS_URL: servers.natsUrl("gateway"),
  };
  const names = simulatedNames(config, simulated);
  if (simulated !== undefined && names.includes("anthropic")) {
    env["ANTHROPIC_API_KEY"] = "simulated";
    env["TARMAC_PROVIDER_ANTHROPIC_BASE_URL"] = simulated.anthropicBaseUrl;
  }
  if (simulated !== undefined && names.includes("openai")) {
    env["OPENAI_API_KEY"] = "simulated";
    env["TARMAC_PROVIDER_OPENAI_BASE_URL"] = simulated.openaiBaseUrl;
  }
  if (names.length > 0) env["TARMAC_SIMULATED_PROVIDERS"] = names.join(",");
  return startChild({ ...spec(home, "gateway", "gateway/main.ts", []), env });
}

/** Providers that a simulator stands in for, by name: their money is not real. */
function simulatedNames(config: CliConfig, simulated: Simulated | undefined): readonly string[] {
  if (simulated === undefined) return [];
  const names: string[] = [];
  if (!config.anthropicIsReal) names.push("anthropic");
  if (!config.openaiIsReal) names.push("openai");
  return names;
}

/** Starts the console. It says of every receipt whether its provider is a simulated one. */
export function startConsole(
  config: CliConfig,
  home: Home,
  servers: Servers,
  simulated: Simulated | undefined,
): Promise<RunningChild> {
  const env: NodeJS.ProcessEnv = {
    ...consoleEnvironment(config, home),
    TARMAC_NATS_URL: servers.natsUrl("console"),
    TARMAC_POSTGRES_URL: servers.postgresUrl,
    TARMAC_SIMULATED_PROVIDERS: simulatedNames(config, simulated).join(","),
  };
  return startChild({ ...spec(home, "console", "console/main.ts", []), env });
}

/** Builds the console's pages where their sources changed. @throws CommandFailed with what was wrong */
export async function buildPages(): Promise<void> {
  await runCommand(process.execPath, [program("console/build.ts")], { timeoutMs: BUILD_MS });
}

/** A link that signs in to the console once. */
export async function signInLink(config: CliConfig, home: Home): Promise<string> {
  const args = [program("console/main.ts"), "--link"];
  const env = consoleEnvironment(config, home);
  return (await runCommand(process.execPath, args, { env, timeoutMs: 20_000 })).trim();
}

function consoleEnvironment(config: CliConfig, home: Home): NodeJS.ProcessEnv {
  return {
    ...config.environment,
    TARMAC_BIND: config.bind,
    TARMAC_CONSOLE_PORT: String(config.consolePort),
    TARMAC_HOME: home.root,
  };
}

/** Starts the simulated providers on a port of their own. */
export function startSimulatedProviders(home: Home, port: number): Promise<RunningChild> {
  const args = ["--port", String(port), "--lifelike", "--keep", "10000", "--json"];
  return startChild(spec(home, "providers", "bench/providers/main.ts", args));
}

/** Starts the demo agents, with a key for each. */
export function startDemo(
  config: CliConfig,
  home: Home,
  gatewayUrl: string,
  keysFile: string,
): Promise<RunningChild> {
  return startChild({
    ...spec(home, "demo", "bench/demo/main.ts", ["--gateway", gatewayUrl, "--keys", keysFile]),
    env: withoutOurKeys(config),
    stop: [{ graceMs: 3_000, signal: "SIGTERM" }],
  });
}

/** The environment without keys of ours: the demo takes a vendor's key there as leave to spend. */
function withoutOurKeys(config: CliConfig): NodeJS.ProcessEnv {
  const env = { ...config.environment };
  if (!config.anthropicIsReal) delete env["ANTHROPIC_API_KEY"];
  if (!config.openaiIsReal) delete env["OPENAI_API_KEY"];
  return env;
}
