import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { type ConnectOptions, parseNatsUrl } from "../bus/connect.ts";
import { WEIGHT_MAX } from "../bus/membership.ts";
import { readNatsCa } from "../bus/nats-ca.ts";
import { FIRST_ERA } from "../bus/subjects.ts";
import { logOrigin } from "../ledger/checkpoint.ts";
import { isKeyName } from "../ledger/signed-note.ts";
import { type KeySource, readKeySources } from "./checkpoints/key-sources.ts";

/** What an engine node is started with. */
export interface NodeConfig {
  /** Names the node in logs, leases and entries. */
  readonly name: string;
  readonly nats: ConnectOptions;
  /** A user of the system account, to read whether JetStream syncs. */
  readonly system: ConnectOptions | undefined;
  readonly postgresUrl: string;
  readonly shards: number;
  readonly era: number;
  readonly workers: number;
  /** Share of the shards that each of its workers gets, relative to other workers. */
  readonly weight: number;
  /** Of Tarmac. */
  readonly version: string;
  /** With what the logs of the workspaces are signed; no keys: they are not. */
  readonly log: { readonly host: string; readonly keys: readonly KeySource[] };
  /** Rewritten every second while the node lives. */
  readonly healthFile: string;
  /** Create the journal. */
  readonly init: boolean;
  /** Start on a JetStream that is not durable. */
  readonly unsafeDev: boolean;
}

/** Every mistake in environment and arguments. Nothing was started. */
export class ConfigRefused extends Error {
  override readonly name = "ConfigRefused";
  readonly code = "config-refused";
  readonly outcome = "none";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`this node cannot start:\n${problems.map((problem) => `- ${problem}`).join("\n")}`);
    this.problems = problems;
  }
}

const SHARDS_DEFAULT = 4;
const SHARDS_MAX = 1_024;
const WORKERS_MAX = 64;
const WEIGHT_DEFAULT = 1;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;

/** One worker for two cores: the other is for nats-server, Postgres and the gateway beside it. */
function defaultWorkers(): number {
  return Math.max(1, Math.min(8, Math.floor(availableParallelism() / 2)));
}

function ownVersion(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}

/** Reads environment and arguments. @throws ConfigRefused naming everything that is wrong with them. */
export function readNodeConfig(
  args: readonly string[] = process.argv.slice(2),
  env: NodeJS.ProcessEnv = process.env,
): NodeConfig {
  const problems: string[] = [];
  const flags = readFlags(args, problems);
  const name = flags.name ?? `node-${randomBytes(3).toString("hex")}`;
  if (!NAME.test(name)) problems.push(`--name: "${name}" must be of A-Z a-z 0-9 _ and -`);
  const home = env["TARMAC_HOME"] || ".tarmac";
  const ca = readNatsCa(env, problems);
  const nats = readUrl(env, "TARMAC_NATS_URL", name, ca, problems);
  if (nats === undefined && env["TARMAC_NATS_URL"] === undefined) {
    problems.push("TARMAC_NATS_URL is not set: give it like nats://node:password@127.0.0.1:4222");
  }
  const system = readUrl(env, "TARMAC_NATS_SYSTEM_URL", `${name} system`, ca, problems);
  const config = {
    name,
    system,
    postgresUrl: readPostgresUrl(env, problems),
    shards: readCount(env, "TARMAC_SHARDS", SHARDS_DEFAULT, SHARDS_MAX, problems),
    era: FIRST_ERA,
    workers: readCount(env, "TARMAC_WORKERS", defaultWorkers(), WORKERS_MAX, problems),
    weight: readCount(env, "TARMAC_WEIGHT", WEIGHT_DEFAULT, WEIGHT_MAX, problems),
    version: ownVersion(),
    log: { host: readLogHost(env, problems), keys: readKeySources(env, problems) },
    healthFile: flags.health ?? join(home, "nodes", `${name}.json`),
    init: flags.init,
    unsafeDev: flags.unsafeDev,
  };
  if (problems.length > 0 || nats === undefined) throw new ConfigRefused(problems);
  return { ...config, nats };
}

interface Flags {
  readonly init: boolean;
  readonly unsafeDev: boolean;
  readonly name: string | undefined;
  readonly health: string | undefined;
}

function readFlags(args: readonly string[], problems: string[]): Flags {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        init: { type: "boolean", default: false },
        "unsafe-dev": { type: "boolean", default: false },
        name: { type: "string" },
        health: { type: "string" },
      },
    });
    const { init, name, health } = values;
    return { init, unsafeDev: values["unsafe-dev"], name, health };
  } catch (error) {
    // `parseArgs` throws a TypeError that names the argument.
    if (!(error instanceof TypeError)) throw error;
    problems.push(error.message);
    return { init: false, unsafeDev: false, name: undefined, health: undefined };
  }
}

function readUrl(
  env: NodeJS.ProcessEnv,
  variable: string,
  name: string,
  ca: string | undefined,
  problems: string[],
): ConnectOptions | undefined {
  const url = env[variable];
  if (url === undefined) return undefined;
  try {
    return parseNatsUrl(url, name, ca);
  } catch (error) {
    problems.push(`${variable}: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

function readPostgresUrl(env: NodeJS.ProcessEnv, problems: string[]): string {
  const url = env["TARMAC_POSTGRES_URL"];
  if (url === undefined || url === "") {
    problems.push(
      "TARMAC_POSTGRES_URL is not set: give it like postgres://tarmac:password@127.0.0.1:5432/tarmac",
    );
    return "";
  }
  const protocol = URL.parse(url)?.protocol;
  if (protocol !== "postgres:" && protocol !== "postgresql:") {
    problems.push(
      "TARMAC_POSTGRES_URL: must be a URL like postgres://user:password@host:5432/name",
    );
  }
  return url;
}

const LOG_HOST_DEFAULT = "localhost";

/** What the logs' origins begin with: a name that stays, since auditors know each log by it. */
function readLogHost(env: NodeJS.ProcessEnv, problems: string[]): string {
  const host = env["TARMAC_LOG_HOST"];
  if (host === undefined || host === "") return LOG_HOST_DEFAULT;
  if (isKeyName(logOrigin(host, "w")) && !host.includes("://") && !/^\/|\/$/.test(host))
    return host;
  problems.push(`TARMAC_LOG_HOST: "${host}" must be a name like ledger.example.com`);
  return LOG_HOST_DEFAULT;
}

function readCount(
  env: NodeJS.ProcessEnv,
  variable: string,
  fallback: number,
  max: number,
  problems: string[],
): number {
  const text = env[variable];
  if (text === undefined || text === "") return fallback;
  const count = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= max) return count;
  problems.push(`${variable}: "${text}" must be a whole number from 1 to ${max}`);
  return fallback;
}
