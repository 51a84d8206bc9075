import type { Answer, Command } from "../actors/commands.ts";
import { ConfigCache } from "../bus/config-cache.ts";
import { connectBus, type NatsConnection, parseNatsUrl } from "../bus/connect.ts";
import { EngineClient, EngineUnreachable } from "../bus/engine-client.ts";
import { readClusterFile } from "./cluster/cluster-file.ts";
import { homeAt } from "./cluster/home.ts";
import type { CliConfig } from "./config.ts";
import { Failure } from "./output.ts";

/** How long the command line waits for an owner, in ms: longer than a takeover. */
const DEADLINE_MS = 15_000;

/** A connection to the engine as the operator: the only user that may configure. */
export class EngineSession {
  readonly nc: NatsConnection;
  readonly #engine: EngineClient;
  #config: ConfigCache | undefined;

  private constructor(nc: NatsConnection) {
    this.nc = nc;
    this.#engine = new EngineClient(nc);
  }

  /** @throws Failure when no engine can be found; BusUnreachable when it does not answer. */
  static async open(config: CliConfig): Promise<EngineSession> {
    return EngineSession.openUrl(await operatorUrl(config), config.natsCa);
  }

  /** `ca` vouches for servers whose URL begins with tls://. */
  static async openUrl(url: string, ca?: string): Promise<EngineSession> {
    return new EngineSession(await connectBus(parseNatsUrl(url, "tarmac cli", ca)));
  }

  /** Sends a command. @throws Failure when the engine cannot be reached. */
  async request(ws: string, command: Command, deadlineMs = DEADLINE_MS): Promise<Answer> {
    try {
      return await this.#engine.request(ws, command, { tryTimeoutMs: 2_000, deadlineMs });
    } catch (error) {
      if (!(error instanceof EngineUnreachable)) throw error;
      const know =
        error.outcome === "none"
          ? "Nothing was done."
          : "Whether it was done is not known: run the same command again.";
      throw new Failure(`The engine did not answer: ${error.message}\n${know} See: tarmac status`);
    }
  }

  /** Configuration of all workspaces, read once it is complete. */
  async config(): Promise<ConfigCache> {
    if (this.#config === undefined) {
      this.#config = new ConfigCache(this.nc);
      await this.#config.whenReady();
    }
    return this.#config;
  }

  async close(): Promise<void> {
    this.#config?.stop();
    await this.nc.close();
  }
}

/** Where the engine is reached as `operator`: `TARMAC_NATS_URL`, else the cluster on this machine. */
async function operatorUrl(config: CliConfig): Promise<string> {
  if (config.natsUrl !== undefined) return config.natsUrl;
  const cluster = await readClusterFile(homeAt(config.home).clusterFile);
  if (cluster !== undefined) return cluster.operator_url;
  throw new Failure(
    `No Tarmac runs from ${config.home}. Start one with \`npm start\` (or \`tarmac up\`), or set TARMAC_NATS_URL.`,
  );
}

/** Where the read model is: `TARMAC_POSTGRES_URL`, else the cluster on this machine. @throws Failure */
export async function postgresUrl(config: CliConfig): Promise<string> {
  if (config.postgresUrl !== undefined) return config.postgresUrl;
  const cluster = await readClusterFile(homeAt(config.home).clusterFile);
  if (cluster !== undefined) return cluster.postgres_url;
  throw new Failure(
    `No Tarmac runs from ${config.home}. Start one with \`npm start\` (or \`tarmac up\`), or set TARMAC_POSTGRES_URL.`,
  );
}

/** The workspace a command is about: `--workspace`, else the one `tarmac up` made. */
export async function workspaceOr(config: CliConfig, given: string | undefined): Promise<string> {
  if (given !== undefined) return given;
  const cluster = await readClusterFile(homeAt(config.home).clusterFile);
  if (cluster !== undefined) return cluster.workspace;
  throw new Failure("Name the workspace: --workspace NAME", 2);
}
