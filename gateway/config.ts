import { resolve } from "node:path";

import { checkNatsUrl, readNatsCa } from "../bus/nats-ca.ts";

/** What a gateway is started with. */
export interface GatewayConfig {
  readonly bind: string;
  readonly port: number;
  readonly natsUrl: string;
  /** Certificates of who vouches for the NATS servers, as PEM; the system's unless given. */
  readonly natsCa: string | undefined;
  /** Absolute. The outbox stands in it. */
  readonly home: string;
  /** Base URLs by provider name, from `TARMAC_PROVIDER_<NAME>_BASE_URL`. */
  readonly providerBaseUrls: ReadonlyMap<string, string>;
  readonly allowExecCredentials: boolean;
  /** How long a call waits for the engine to decide; then it is answered 503 and nothing is forwarded. */
  readonly decisionMs: number;
  /** Variables that credentials may name. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** The configuration is wrong; the message names every mistake. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly code = "config";
  readonly outcome = "none";
}

const DECISION_MS = { default: "3000", max: 60_000, min: 400 } as const;
const BASE_URL = /^TARMAC_PROVIDER_([A-Z0-9_]+)_BASE_URL$/;

/**
 * Reads the environment of a gateway.
 * @throws ConfigError with every mistake, one a line.
 */
export function readConfig(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): GatewayConfig {
  const problems: string[] = [];
  const get = (name: string) => {
    const value = environment[name]?.trim();
    return value === "" ? undefined : value;
  };
  const port = Number(get("TARMAC_GATEWAY_PORT") ?? "8080");
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    problems.push("TARMAC_GATEWAY_PORT: must be a port from 0 (any free one) to 65535");
  }
  const natsCa = readNatsCa(environment, problems);
  const natsUrl = get("TARMAC_NATS_URL");
  if (natsUrl === undefined) {
    problems.push(
      "TARMAC_NATS_URL: is missing; set it like nats://gateway:password@127.0.0.1:4222",
    );
  } else {
    checkNatsUrl("TARMAC_NATS_URL", natsUrl, natsCa, problems);
  }
  const providerBaseUrls = new Map<string, string>();
  for (const [name, value] of Object.entries(environment)) {
    const provider = BASE_URL.exec(name)?.[1];
    if (provider === undefined || value === undefined || value === "") continue;
    const url = URL.parse(value);
    if (url === null || !/^https?:$/.test(url.protocol) || url.search !== "") {
      problems.push(`${name}: must be an http or https URL without a query`);
    }
    providerBaseUrls.set(provider.toLowerCase().replaceAll("_", "-"), value);
  }
  const exec = get("TARMAC_ALLOW_EXEC_CREDENTIALS") ?? "0";
  if (exec !== "0" && exec !== "1") problems.push("TARMAC_ALLOW_EXEC_CREDENTIALS: must be 0 or 1");
  const decisionMs = Number(get("TARMAC_DECISION_MS") ?? DECISION_MS.default);
  if (
    !Number.isInteger(decisionMs) ||
    decisionMs < DECISION_MS.min ||
    decisionMs > DECISION_MS.max
  ) {
    problems.push(
      `TARMAC_DECISION_MS: must be a whole number of milliseconds from ${DECISION_MS.min} to ${DECISION_MS.max}`,
    );
  }
  if (problems.length > 0) throw new ConfigError(problems.join("\n"));
  return {
    bind: get("TARMAC_BIND") ?? "127.0.0.1",
    port,
    natsUrl: natsUrl ?? "",
    natsCa,
    home: resolve(get("TARMAC_HOME") ?? ".tarmac"),
    providerBaseUrls,
    allowExecCredentials: exec === "1",
    decisionMs,
    environment,
  };
}
