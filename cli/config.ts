import { resolve } from "node:path";

import { checkNatsUrl, readNatsCa } from "../bus/nats-ca.ts";

/** What the `tarmac` command takes from the environment. */
export interface CliConfig {
  /** Data, keys and logs of the cluster on this machine. */
  readonly home: string;
  readonly bind: string;
  readonly gatewayPort: number;
  readonly consolePort: number;
  readonly nodes: number;
  readonly shards: number;
  readonly demo: boolean;
  /** A NATS that runs elsewhere, as the user `operator`; otherwise `up` starts one. */
  readonly natsUrl: string | undefined;
  readonly natsSystemUrl: string | undefined;
  /** Certificates of who vouches for that NATS, as PEM; the system's unless given. */
  readonly natsCa: string | undefined;
  /** A Postgres that runs elsewhere; otherwise `up` starts one. */
  readonly postgresUrl: string | undefined;
  /** Where each provider is forwarded to, when not to its own address. */
  readonly anthropicBaseUrl: string | undefined;
  readonly openaiBaseUrl: string | undefined;
  /** A real key is set, so the provider is the real one. */
  readonly anthropicIsReal: boolean;
  readonly openaiIsReal: boolean;
  /** Handed to children, which read what concerns them. */
  readonly environment: NodeJS.ProcessEnv;
}

/** The environment holds mistakes; `problems` has all of them. */
export class ConfigInvalid extends Error {
  override readonly name = "ConfigInvalid";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

/** Reads the environment once. @throws ConfigInvalid with every mistake in it. */
export function cliConfig(env: NodeJS.ProcessEnv = process.env): CliConfig {
  const problems: string[] = [];
  const set = (name: string) => (env[name] === "" ? undefined : env[name]);
  const whole = (name: string, fallback: number, least: number, most: number): number => {
    const text = set(name);
    if (text === undefined) return fallback;
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    problems.push(`${name}: must be a whole number from ${least} to ${most}, not "${text}"`);
    return fallback;
  };
  const url = (name: string, protocols: RegExp): string | undefined => {
    const text = set(name);
    if (text === undefined) return undefined;
    for (const part of text.split(",")) {
      const parsed = URL.parse(part);
      if (parsed === null || !protocols.test(parsed.protocol)) {
        problems.push(`${name}: is not a URL of the kind ${protocols.source}`);
        return undefined;
      }
    }
    return text;
  };
  const flag = (name: string, fallback: boolean): boolean => {
    const text = set(name);
    if (text === undefined) return fallback;
    if (text === "0" || text === "1") return text === "1";
    problems.push(`${name}: must be 0 or 1, not "${text}"`);
    return fallback;
  };
  const config: CliConfig = {
    anthropicBaseUrl: url("TARMAC_PROVIDER_ANTHROPIC_BASE_URL", /^https?:$/),
    anthropicIsReal: isVendorKey(set("ANTHROPIC_API_KEY")),
    bind: set("TARMAC_BIND") ?? "127.0.0.1",
    consolePort: whole("TARMAC_CONSOLE_PORT", 8090, 1, 65_535),
    demo: flag("TARMAC_DEMO", true),
    environment: env,
    gatewayPort: whole("TARMAC_GATEWAY_PORT", 8080, 1, 65_535),
    home: resolve(set("TARMAC_HOME") ?? ".tarmac"),
    natsCa: readNatsCa(env, problems),
    natsSystemUrl: url("TARMAC_NATS_SYSTEM_URL", /^(nats|tls):$/),
    natsUrl: url("TARMAC_NATS_URL", /^(nats|tls):$/),
    nodes: whole("TARMAC_NODES", 2, 1, 16),
    openaiBaseUrl: url("TARMAC_PROVIDER_OPENAI_BASE_URL", /^https?:$/),
    openaiIsReal: isVendorKey(set("OPENAI_API_KEY")),
    postgresUrl: url("TARMAC_POSTGRES_URL", /^postgres(ql)?:$/),
    shards: whole("TARMAC_SHARDS", 4, 1, 1024),
  };
  if ((config.natsUrl === undefined) !== (config.natsSystemUrl === undefined)) {
    problems.push(
      "TARMAC_NATS_URL and TARMAC_NATS_SYSTEM_URL: set both, or neither to let `tarmac up` start a server",
    );
  }
  if (config.natsCa !== undefined && config.natsUrl === undefined) {
    problems.push("TARMAC_NATS_CA: goes with TARMAC_NATS_URL, and that is not set");
  }
  for (const name of ["natsUrl", "natsSystemUrl"] as const) {
    const variable = name === "natsUrl" ? "TARMAC_NATS_URL" : "TARMAC_NATS_SYSTEM_URL";
    const given = config[name];
    if (given !== undefined) checkNatsUrl(variable, given, config.natsCa, problems);
  }
  if (config.consolePort === config.gatewayPort) {
    problems.push("TARMAC_CONSOLE_PORT and TARMAC_GATEWAY_PORT: must not be the same");
  }
  if (problems.length > 0) throw new ConfigInvalid(problems);
  return config;
}

/** A key of ours in a vendor's variable, as `tarmac env` sets it, is for clients and not for the gateway. */
function isVendorKey(value: string | undefined): boolean {
  return value !== undefined && !value.startsWith("tarmac_pk_");
}
