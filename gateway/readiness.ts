import type { Clock, ConfigPort, EnginePort } from "./ports.ts";

/** Workspaces asked at once, at most: a few tell whether shards have owners. */
const ASKED_MAX = 8;
/** How long an answer stands, in ms: probes come from many places. */
const KEPT_MS = 500;

/** Why a hold could not be placed, or undefined when it could. */
export type Unready = string | undefined;

/** Asks the engine whether it would decide, by looking at workspaces in turn. */
export class Readiness {
  readonly #config: ConfigPort;
  readonly #engine: EnginePort;
  readonly #clock: Clock;
  #kept: { readonly at: number; readonly unready: Promise<Unready> } | undefined;
  #next = 0;

  constructor(config: ConfigPort, engine: EnginePort, clock: Clock) {
    this.#config = config;
    this.#engine = engine;
    this.#clock = clock;
  }

  check(): Promise<Unready> {
    const now = this.#clock.monotonicMs();
    if (this.#kept === undefined || now - this.#kept.at > KEPT_MS) {
      this.#kept = { at: now, unready: this.#ask() };
    }
    return this.#kept.unready;
  }

  async #ask(): Promise<Unready> {
    if (!this.#config.ready()) return "the configuration has not been read yet";
    const workspaces = this.#config.workspaces();
    if (workspaces.length === 0) return "there is no workspace yet: tarmac apply makes one";
    const asked = new Set<string>();
    for (let i = 0; i < Math.min(ASKED_MAX, workspaces.length); i++) {
      const ws = workspaces[this.#next++ % workspaces.length];
      if (ws !== undefined) asked.add(ws);
    }
    const limits = { tryTimeoutMs: 400, deadlineMs: 1_000 };
    const answers = await Promise.all(
      [...asked].map(async (ws): Promise<Unready> => {
        try {
          const answer = await this.#engine.request(ws, { kind: "inspect" }, limits);
          return answer.kind === "inspected" ? undefined : `workspace ${ws} is not served`;
        } catch {
          return `no engine answers for workspace ${ws}`;
        }
      }),
    );
    return answers.find((unready) => unready !== undefined);
  }
}
