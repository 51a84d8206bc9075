import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/** What provisioning takes from the environment. */
export interface ProvisionConfig {
  /** Shared by all clones of this user: `$XDG_CACHE_HOME/tarmac`, else `~/.cache/tarmac`. */
  readonly cacheDir: string;
  /** `TARMAC_NATS_SERVER`: the nats-server to use, and no other. */
  readonly natsServer?: string;
  /** `TARMAC_TEST_CONTAINERS=1`: servers of tests run in containers of these. */
  readonly testImages?: TestImages;
}

/** Images, named as docker-compose.yml names them. */
export interface TestImages {
  readonly nats: string;
  readonly postgres: string;
}

/** Reads the variables that decide where servers come from. */
export function provisionConfig(env: NodeJS.ProcessEnv = process.env): ProvisionConfig {
  const xdg = env["XDG_CACHE_HOME"];
  // The XDG base directory specification: a path that is not absolute is to be ignored.
  const cache = xdg !== undefined && isAbsolute(xdg) ? xdg : join(homedir(), ".cache");
  const natsServer = env["TARMAC_NATS_SERVER"];
  return {
    cacheDir: join(cache, "tarmac"),
    ...(natsServer === undefined || natsServer === "" ? {} : { natsServer }),
    ...(env["TARMAC_TEST_CONTAINERS"] === "1" ? { testImages: testImages(env) } : {}),
  };
}

function testImages(env: NodeJS.ProcessEnv): TestImages {
  return {
    nats: env["NATS_IMAGE"] || "nats:2.15.1-alpine",
    postgres: env["POSTGRES_IMAGE"] || "postgres:18-bookworm",
  };
}
