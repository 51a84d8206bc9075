import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { checkNatsUrl, readNatsCa } from "../bus/nats-ca.ts";

/** What a console is started with. */
export interface ConsoleConfig {
  readonly bind: string;
  readonly port: number;
  readonly natsUrl: string;
  /** Certificates of who vouches for the NATS servers, as PEM; the system's unless given. */
  readonly natsCa: string | undefined;
  readonly postgresUrl: string;
  /** Absolute. Keys and sign-in links stand in it. */
  readonly home: string;
  /** Where people open it, when that is not where it listens: behind a proxy. Without a slash at its end. */
  readonly publicUrl: string | undefined;
  /** Providers that simulators stand in for. */
  readonly simulatedProviders: readonly string[];
  /** The built pages. */
  readonly pagesDir: string;
}

/** What a sign-in link is made with: none of it needs servers. */
export type LinkConfig = Pick<ConsoleConfig, "bind" | "port" | "home" | "publicUrl">;

/** The configuration is wrong; the message names every mistake. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly code = "config";
  readonly outcome = "none";
}

type Environment = Readonly<Record<string, string | undefined>>;

const PAGES = fileURLToPath(new URL("./web/dist", import.meta.url));

/**
 * Reads the environment of a console.
 * @throws ConfigError with every mistake, one a line.
 */
export function readConfig(environment: Environment = process.env): ConsoleConfig {
  const problems: string[] = [];
  const link = readLink(environment, problems);
  const url = (name: string, protocols: RegExp, example: string): string => {
    const value = valueOf(environment, name);
    if (value === undefined) {
      problems.push(`${name}: is missing; set it like ${example}`);
      return "";
    }
    for (const part of value.split(",")) {
      const parsed = URL.parse(part.trim());
      if (parsed !== null && protocols.test(parsed.protocol)) continue;
      problems.push(`${name}: is not a URL like ${example}`);
      break;
    }
    return value;
  };
  const natsUrl = url("TARMAC_NATS_URL", /^(nats|tls):$/, "nats://console:password@127.0.0.1:4222");
  const natsCa = readNatsCa(environment, problems);
  if (problems.length === 0) checkNatsUrl("TARMAC_NATS_URL", natsUrl, natsCa, problems);
  const postgresUrl = url(
    "TARMAC_POSTGRES_URL",
    /^postgres(ql)?:$/,
    "postgres://tarmac:password@127.0.0.1:5432/tarmac",
  );
  const simulated = valueOf(environment, "TARMAC_SIMULATED_PROVIDERS")?.split(",") ?? [];
  for (const name of simulated) {
    if (!/^[a-z0-9][a-z0-9_-]{0,62}$/.test(name.trim())) {
      problems.push(`TARMAC_SIMULATED_PROVIDERS: "${name}" is not the name of a provider`);
    }
  }
  if (problems.length > 0) throw new ConfigError(problems.join("\n"));
  return {
    ...link,
    natsUrl,
    natsCa,
    postgresUrl,
    simulatedProviders: simulated.map((name) => name.trim()),
    pagesDir: resolve(valueOf(environment, "TARMAC_CONSOLE_PAGES") ?? PAGES),
  };
}

/** Reads what a sign-in link needs. @throws ConfigError with every mistake, one a line. */
export function readLinkConfig(environment: Environment = process.env): LinkConfig {
  const problems: string[] = [];
  const link = readLink(environment, problems);
  if (problems.length > 0) throw new ConfigError(problems.join("\n"));
  return link;
}

function readLink(environment: Environment, problems: string[]): LinkConfig {
  const port = Number(valueOf(environment, "TARMAC_CONSOLE_PORT") ?? "8090");
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    problems.push("TARMAC_CONSOLE_PORT: must be a port from 0 (any free one) to 65535");
  }
  const publicUrl = valueOf(environment, "TARMAC_CONSOLE_URL");
  if (publicUrl !== undefined) {
    const parsed = URL.parse(publicUrl);
    if (parsed === null || !/^https?:$/.test(parsed.protocol) || parsed.pathname !== "/") {
      problems.push("TARMAC_CONSOLE_URL: must be like https://tarmac.example.com, without a path");
    }
  }
  return {
    bind: valueOf(environment, "TARMAC_BIND") ?? "127.0.0.1",
    port,
    home: resolve(valueOf(environment, "TARMAC_HOME") ?? ".tarmac"),
    publicUrl: publicUrl?.replace(/\/$/, ""),
  };
}

function valueOf(environment: Environment, name: string): string | undefined {
  const value = environment[name]?.trim();
  return value === "" ? undefined : value;
}
