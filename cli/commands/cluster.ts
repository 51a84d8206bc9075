import { spawn } from "node:child_process";
import { open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { banner } from "../cluster/banner.ts";
import { isAlive, readClusterFile } from "../cluster/cluster-file.ts";
import { homeAt } from "../cluster/home.ts";
import { savedKeys } from "../cluster/starter.ts";
import { type RunningCluster, startCluster } from "../cluster/up.ts";
import { type CliConfig, cliConfig } from "../config.ts";
import { Failure, note, print, printJson } from "../output.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));
/** How long `up --detach` waits for the cluster, and `down` for its end, in ms. */
const DETACHED_READY_MS = 180_000;
const DOWN_MS = 60_000;

export function addClusterCommands(tarmac: Command): void {
  tarmac
    .command("up")
    .description(
      "start a whole cluster on this machine: NATS, Postgres, nodes, gateway, console, demo",
    )
    .option("--detach", "leave it running in the background")
    .action((options: { readonly detach?: boolean }) => up(options.detach === true));
  tarmac.command("down").description("stop the cluster on this machine").action(down);
  tarmac
    .command("logs")
    .description("show what the processes of the cluster say")
    .argument(
      "[name]",
      "node-1, gateway, console, nats, postgres, providers, demo; all without one",
    )
    .option("-n, --lines <n>", "how many lines of each", "40")
    .option("-f, --follow", "go on as they come")
    .action(logs);
  tarmac
    .command("reset")
    .description("delete the ledger, the keys and all data of the cluster on this machine")
    .option("--yes", "do it without asking again")
    .action((options: { readonly yes?: boolean }) => reset(options.yes === true));
  tarmac
    .command("env")
    .description('print shell lines that point SDKs at the gateway: eval "$(npx tarmac env)"')
    .option("--json", "one JSON object")
    .action((options: { readonly json?: boolean }) => env(options.json === true));
}

async function up(detach: boolean): Promise<void> {
  const config = cliConfig();
  if (detach) return upDetached(config);
  const stopRequested = untilSignal();
  note("Starting Tarmac.");
  // Ctrl-C while it starts: whatever was started by then is stopped by the same path.
  const cluster = await startCluster(config);
  print(banner(cluster, config.demo));
  const ended = await Promise.race([stopRequested, cluster.failed]);
  note(ended === "stop" ? "\nStopping." : `\n${ended}. Stopping the rest.`);
  await stopWithin(cluster);
  if (ended !== "stop") throw new Failure(ended);
}

/** A second signal does not wait for the first to be done: the children end with this process. */
function untilSignal(): Promise<"stop"> {
  return new Promise((resolve) => {
    let asked = 0;
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(signal, () => {
        asked += 1;
        if (asked > 2) process.exit(130);
        resolve("stop");
      });
    }
  });
}

async function stopWithin(cluster: RunningCluster): Promise<void> {
  await cluster.stop();
  note("Stopped. The ledger is kept; start again with: npm start");
}

/** Starts the supervisor in a session of its own and waits until it says that it is up. */
async function upDetached(config: CliConfig): Promise<void> {
  const home = homeAt(config.home);
  if ((await readClusterFile(home.clusterFile)) !== undefined) {
    throw new Failure(`Tarmac already runs from ${config.home}. See: npx tarmac status`);
  }
  const { mkdir } = await import("node:fs/promises");
  await mkdir(home.logs, { recursive: true });
  const logFile = join(home.logs, "up.log");
  await rm(logFile, { force: true });
  const log = await open(logFile, "a", 0o600);
  const child = spawn(process.execPath, [MAIN, "up"], {
    detached: true,
    env: config.environment,
    stdio: ["ignore", log.fd, log.fd],
  });
  await log.close();
  const exited = new Promise<number>((resolve) => child.once("exit", (code) => resolve(code ?? 1)));
  let failed: number | undefined;
  void exited.then((code) => {
    failed = code;
  });
  const deadline = performance.now() + DETACHED_READY_MS;
  let shown = 0;
  while (performance.now() < deadline) {
    const text = await readFile(logFile, "utf8");
    process.stderr.write(text.slice(shown));
    shown = text.length;
    if (failed !== undefined) throw new Failure(`It did not start; its log: ${logFile}`);
    if ((await readClusterFile(home.clusterFile)) !== undefined) {
      child.unref();
      note(`Runs in the background (process ${child.pid}). Stop it with: npx tarmac down`);
      return;
    }
    await sleep(100);
  }
  throw new Failure(`It is not up after ${DETACHED_READY_MS / 1000} s; its log: ${logFile}`);
}

async function down(): Promise<void> {
  const config = cliConfig();
  const cluster = await readClusterFile(homeAt(config.home).clusterFile);
  if (cluster === undefined) {
    note(`No Tarmac runs from ${config.home}.`);
    return;
  }
  note(`Stopping process ${cluster.pid} and what it started.`);
  process.kill(cluster.pid, "SIGTERM");
  const deadline = performance.now() + DOWN_MS;
  while (isAlive(cluster.pid)) {
    if (performance.now() > deadline) {
      throw new Failure(`Process ${cluster.pid} has not ended after ${DOWN_MS / 1000} s.`);
    }
    await sleep(100);
  }
  note("Stopped. The ledger is kept; start again with: npm start");
}

const LOG_NAMES = [
  "nats",
  "postgres",
  "node-1",
  "node-2",
  "gateway",
  "console",
  "providers",
  "demo",
] as const;

async function logs(
  name: string | undefined,
  options: { readonly lines: string; readonly follow?: boolean },
): Promise<void> {
  const lines = Number(options.lines);
  if (!Number.isInteger(lines) || lines < 1) throw new Failure("--lines: must be a number", 2);
  const { logs: folder } = homeAt(cliConfig().home);
  const { readdir } = await import("node:fs/promises");
  const there = (await readdir(folder).catch(() => []))
    .filter((file) => file.endsWith(".log"))
    .map((file) => file.slice(0, -".log".length));
  const wanted = name === undefined ? LOG_NAMES.filter((one) => there.includes(one)) : [name];
  if (name !== undefined && !there.includes(name)) {
    throw new Failure(`There is no log of "${name}". There are: ${there.join(", ") || "none"}`, 2);
  }
  if (options.follow === true) {
    const files = wanted.map((one) => join(folder, `${one}.log`));
    const tail = spawn("tail", ["-n", String(lines), "-F", ...files], { stdio: "inherit" });
    await new Promise((resolve) => tail.once("exit", resolve));
    return;
  }
  for (const one of wanted) {
    const text = await readFile(join(folder, `${one}.log`), "utf8");
    if (wanted.length > 1) print(`── ${one}`);
    print(text.trimEnd().split("\n").slice(-lines).join("\n"));
  }
}

async function reset(yes: boolean): Promise<void> {
  const config = cliConfig();
  const home = homeAt(config.home);
  if ((await readClusterFile(home.clusterFile)) !== undefined) {
    throw new Failure("Tarmac is running. Stop it first: npx tarmac down");
  }
  if (!yes) {
    throw new Failure(
      `This deletes the ledger, the keys and all data in ${home.root}. It cannot be undone. To do it: npx tarmac reset --yes`,
    );
  }
  const { lstat, readlink } = await import("node:fs/promises");
  // The data of a service user's Postgres may stand elsewhere, behind a link.
  const data = join(home.postgres, "data");
  const linked = await lstat(data).then(
    (found) => (found.isSymbolicLink() ? readlink(data) : undefined),
    () => undefined,
  );
  if (linked !== undefined) await rm(linked, { force: true, recursive: true });
  await rm(home.root, { force: true, recursive: true });
  note(`Deleted ${home.root}.`);
}

async function env(json: boolean): Promise<void> {
  const config = cliConfig();
  const home = homeAt(config.home);
  const cluster = await readClusterFile(home.clusterFile);
  if (cluster === undefined) throw new Failure("Tarmac is not running. Start it with: npm start");
  const keys = (await savedKeys(home, cluster.workspace)) ?? {};
  const lines = {
    ANTHROPIC_API_KEY: keys["claude-agent"] ?? "",
    ANTHROPIC_BASE_URL: `${cluster.gateway_url}/v1/anthropic`,
    OPENAI_API_KEY: keys["gpt-agent"] ?? "",
    OPENAI_BASE_URL: `${cluster.gateway_url}/v1/openai`,
  };
  if (json) return printJson(lines);
  for (const [name, value] of Object.entries(lines)) print(`export ${name}='${value}'`);
}
