import { createHash, randomBytes } from "node:crypto";
import type { Answer, Command } from "../../actors/commands.ts";
import { utcPeriods } from "../../actors/testing/world.ts";
import {
  createWorkspace,
  expireDue,
  runTurn,
  type WorkspaceState,
} from "../../actors/workspace.ts";
import { encodeCommand } from "../../bus/codec.ts";
import type { SealedEntry } from "../../ledger/chain.ts";
import { indexPrices } from "../config-view.ts";
import type { ConfigPort, EnginePort } from "../ports.ts";

/** How the engine behaves at the moment. */
export type EngineMode =
  | "up"
  /** Nothing reaches it: no decision, and none can have been made. */
  | "down"
  /** It decides, and no answer comes back. */
  | "mute";

/** No answer came, as the bus says it. */
export class Unreachable extends Error {
  readonly outcome: "none" | "unknown";
  constructor(outcome: "none" | "unknown") {
    super(`the engine is ${outcome === "none" ? "down" : "mute"}`);
    this.outcome = outcome;
  }
}

/**
 * The engine's own decisions without its journal: the real workspace actor, in this process, with
 * faults on demand. What is journaled and what survives is shown by the tests with the real engine.
 */
export class ActorEngine implements EnginePort {
  readonly #states = new Map<string, WorkspaceState>();
  readonly entries: SealedEntry[] = [];
  /** Commands in the order they were decided. */
  readonly commands: Command[] = [];
  mode: EngineMode = "up";
  /** Kinds of commands that {@link mode} is for; all of them when empty. */
  readonly only = new Set<Command["kind"]>();
  /** Modes of single kinds of commands, before all others. */
  readonly modes = new Map<Command["kind"], EngineMode>();
  /** Milliseconds before each answer. */
  delayMs = 0;
  /** Added to the actor's clock, ms. */
  aheadMs = 0;

  async request(
    ws: string,
    command: Command,
    options: { readonly tryTimeoutMs: number; readonly deadlineMs: number },
  ): Promise<Answer> {
    const affected = this.only.size === 0 || this.only.has(command.kind);
    const mode = this.modes.get(command.kind) ?? (affected ? this.mode : "up");
    if (mode === "down") {
      await sleep(Math.min(options.deadlineMs, 5));
      throw new Unreachable("none");
    }
    const answer = this.decide(ws, command);
    if (affected && this.delayMs > 0) {
      await sleep(Math.min(this.delayMs, options.deadlineMs));
      if (this.delayMs > options.deadlineMs) throw new Unreachable("unknown");
    }
    if (mode === "mute") {
      await sleep(Math.min(options.deadlineMs, 50));
      throw new Unreachable("unknown");
    }
    return answer;
  }

  /** Decides at once, whatever the mode. */
  decide(ws: string, command: Command): Answer {
    const state = this.state(ws);
    this.commands.push(command);
    const context = this.#context(command);
    let result = runTurn(state, command, context);
    this.entries.push(...result.entries);
    if (result.kind === "fetch") {
      const fetched = { authorization: result.authorization ?? "", lines: [] };
      result = runTurn(state, command, { ...context, fetched });
      this.entries.push(...result.entries);
    }
    if (result.kind !== "answered") throw new Error("a turn fetched twice");
    return result.answer;
  }

  /** Lets holds expire that are due. */
  expire(ws: string): void {
    this.entries.push(...expireDue(this.state(ws), this.#context({ kind: "inspect" })));
  }

  state(ws: string): WorkspaceState {
    const state = this.#states.get(ws) ?? createWorkspace(ws);
    this.#states.set(ws, state);
    return state;
  }

  workspaces(): readonly string[] {
    return [...this.#states.keys()];
  }

  #context(command: Command) {
    const now = Date.now() + this.aheadMs;
    return {
      now,
      recordedAt: now,
      epoch: 1n,
      term: { owner: "test", claimSeq: 1n, claimAt: 0 },
      periodsAt: utcPeriods,
      sha256Hex: (text: string) => createHash("sha256").update(text).digest("hex"),
      salt: () => randomBytes(16).toString("hex"),
      payloadHash: createHash("sha256").update(encodeCommand(command)).digest("hex"),
    };
  }
}

/** The configuration as the actor has it: a cache that is never behind. */
export function configOf(engine: ActorEngine): ConfigPort {
  const config = (ws: string) => engine.state(ws).config;
  return {
    ready: () => true,
    keyByHash(hash) {
      for (const ws of engine.workspaces()) {
        for (const [id, key] of config(ws).keys) {
          if (key.hash === hash) return { ws, id, agent: key.agent, revoked: key.revoked };
        }
      }
      return undefined;
    },
    agent: (ws, name) => config(ws).agents.get(name),
    workspaces: () => engine.workspaces(),
    provider: (ws, name) => config(ws).providers.get(name),
    prices(ws) {
      const state = engine.state(ws);
      const table = state.prices.get(state.priceSeq);
      return table === undefined ? undefined : indexPrices(table.settings);
    },
    expiryMs: (ws) => config(ws).settings?.expiry_ms,
    seq: (ws) => engine.state(ws).configSeq,
    whenAtLeast: async () => true,
  };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
