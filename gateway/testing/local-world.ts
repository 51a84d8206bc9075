import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ProviderOptions,
  type Providers,
  startProviders,
} from "../../bench/providers/server.ts";
import type { AgentSettings } from "../../ledger/workspace-config.ts";
import type { GatewayConfig } from "../config.ts";
import type { Log } from "../ports.ts";
import { type RunningGateway, startGateway } from "../start-gateway.ts";
import { ActorEngine, configOf } from "./actor-engine.ts";
import { agentSettings, foundingCommand, GPT, newKey } from "./workspace.ts";

/** A gateway with simulated providers behind it and the real workspace actor, all in this process. */
export interface LocalWorld {
  readonly ws: string;
  readonly engine: ActorEngine;
  readonly providers: Providers;
  readonly gateway: () => RunningGateway;
  /** Keys of the agents, by name. */
  readonly keys: Readonly<Record<string, string>>;
  readonly log: readonly { readonly level: string; readonly message: string }[];
  /** The workspace's month: spent and set aside, nano-USD. */
  balance(): { readonly settled: bigint; readonly held: bigint };
  /** Waits until every call is over and nothing is owed. */
  quiet(): Promise<void>;
  /** Ends the gateway and starts another on the same outbox. */
  restartGateway(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts one. Agents `claude` and `gpt` are there unless others are given. */
export async function startLocalWorld(
  options: {
    readonly agents?: Readonly<Record<string, Partial<AgentSettings>>>;
    readonly providers?: ProviderOptions;
    readonly expiryMs?: number;
  } = {},
): Promise<LocalWorld> {
  const ws = "acme";
  const engine = new ActorEngine();
  const agents = options.agents ?? { claude: {}, gpt: { lane: GPT } };
  const keys: Record<string, string> = {};
  const changes = Object.entries(agents).flatMap(([id, overrides]) => {
    const { key, change } = newKey(id);
    keys[id] = key;
    return [{ item: "agent" as const, id, value: agentSettings(overrides) }, change];
  });
  const free = newKey();
  keys["*"] = free.key;
  const made = engine.decide(ws, foundingCommand(ws, [...changes, free.change], options.expiryMs));
  if (made.kind !== "configured") throw new Error(`not configured: ${JSON.stringify(made)}`);
  const providers = await startProviders(options.providers);
  const home = await mkdtemp(join(tmpdir(), "tarmac-gateway-"));
  const config: GatewayConfig = {
    bind: "127.0.0.1",
    port: 0,
    natsUrl: "",
    natsCa: undefined,
    home,
    providerBaseUrls: new Map([
      ["anthropic", providers.anthropicBaseUrl],
      ["openai", providers.openaiBaseUrl],
    ]),
    allowExecCredentials: false,
    decisionMs: 3_000,
    environment: { ANTHROPIC_API_KEY: "sk-ant-simulated", OPENAI_API_KEY: "sk-simulated" },
  };
  const lines: { level: string; message: string }[] = [];
  const log = collect(lines);
  let gateway = await startGateway(config, engine, configOf(engine), log);
  return {
    ws,
    engine,
    providers,
    gateway: () => gateway,
    keys,
    log: lines,
    balance: () => monthOf(engine, ws),
    quiet: async () => {
      await providers.served.idle();
      await until(() => monthOf(engine, ws).held === 0n, "every hold has ended");
    },
    restartGateway: async () => {
      await gateway.stop();
      gateway = await startGateway(config, engine, configOf(engine), log);
    },
    stop: async () => {
      await gateway.stop();
      await providers.stop();
      await rm(home, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

function monthOf(engine: ActorEngine, ws: string) {
  for (const counter of engine.state(ws).counters.values()) {
    if (counter.cap === `workspace:${ws}/month`) {
      return { settled: counter.settled as bigint, held: counter.held as bigint };
    }
  }
  return { settled: 0n, held: 0n };
}

/** Waits until something holds, at most ten seconds. @throws Error naming what did not come about */
export async function until(holds: () => boolean, what: string, withinMs = 10_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`after ${withinMs} ms not yet: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function collect(lines: { level: string; message: string }[]): Log {
  const at = (level: string) => (fields: Readonly<Record<string, unknown>>, message: string) => {
    lines.push({ level, message, ...fields });
  };
  return { info: at("info"), warn: at("warn"), error: at("error") };
}
