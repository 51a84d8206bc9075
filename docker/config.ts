import { join } from "node:path";

/** What the health check of a container takes from the environment, which is that of its process. */
export interface HealthConfig {
  /** Where a node writes what it says of itself. */
  readonly nodesDir: string;
  readonly gatewayPort: string;
  readonly consolePort: string;
}

export function readHealthConfig(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): HealthConfig {
  return {
    consolePort: environment["TARMAC_CONSOLE_PORT"] || "8090",
    gatewayPort: environment["TARMAC_GATEWAY_PORT"] || "8080",
    nodesDir: join(environment["TARMAC_HOME"] || ".tarmac", "nodes"),
  };
}
