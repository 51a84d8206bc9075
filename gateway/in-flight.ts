/**
 * Holds that live by this gateway's word. Each is renewed with all others of its workspace every third
 * of its life; one that cannot be renewed is given up while it still stands, so that the call behind
 * it ends before the money is anybody else's (R7).
 */
import type { Clock, EnginePort, Log } from "./ports.ts";

/** Life of a hold until the workspace says otherwise, in ms (R7). */
export const EXPIRY_MS = 30_000;
/** Ids in one renewal at most: the command's own limit. */
const BATCH_MAX = 5_000;
/** A renewal's try in ms. */
const TRY_MS = 400;

/** Why a hold is lost: it cannot be renewed, or the engine says that it has ended. */
export type Loss = "ended" | "unrenewed";

interface Hold {
  /** Monotonic ms at which the engine may expire it. */
  deadline: number;
  /** Told once when the hold is given up; absent for owed settles, which have nothing to cut. */
  lost: ((loss: Loss, leftMs: number) => void) | undefined;
}

interface Workspace {
  readonly holds: Map<string, Hold>;
  lifeMs: number;
  renewedAt: number;
  renewing: boolean;
  cancel: () => void;
}

export class InFlight {
  readonly #engine: EnginePort;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #lifeOf: (ws: string) => number | undefined;
  readonly #workspaces = new Map<string, Workspace>();
  #stopped = false;

  constructor(
    engine: EnginePort,
    clock: Clock,
    log: Log,
    lifeOf: (ws: string) => number | undefined,
  ) {
    this.#engine = engine;
    this.#clock = clock;
    this.#log = log;
    this.#lifeOf = lifeOf;
  }

  get count(): number {
    let count = 0;
    for (const { holds } of this.#workspaces.values()) count += holds.size;
    return count;
  }

  /**
   * Keeps a hold alive from now on.
   * @param leftMs how long it lives without a renewal, counted from when it was asked for
   * @param lost called once when it is given up, with the time that it surely still stands
   */
  begin(ws: string, authorization: string, leftMs: number, lost?: Hold["lost"]): void {
    const workspace = this.#workspaces.get(ws) ?? this.#open(ws);
    workspace.holds.set(authorization, { deadline: this.#clock.monotonicMs() + leftMs, lost });
  }

  /** The call behind a hold has ended for its client; only its settle is on the way. */
  quiet(ws: string, authorization: string): void {
    const hold = this.#workspaces.get(ws)?.holds.get(authorization);
    if (hold !== undefined) hold.lost = undefined;
  }

  /** The hold is settled or void: nothing to keep alive. */
  end(ws: string, authorization: string): void {
    const workspace = this.#workspaces.get(ws);
    workspace?.holds.delete(authorization);
    if (workspace?.holds.size === 0) {
      workspace.cancel();
      this.#workspaces.delete(ws);
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const { cancel } of this.#workspaces.values()) cancel();
  }

  #open(ws: string): Workspace {
    const workspace: Workspace = {
      holds: new Map(),
      lifeMs: this.#lifeOf(ws) ?? EXPIRY_MS,
      renewedAt: this.#clock.monotonicMs(),
      renewing: false,
      cancel: () => undefined,
    };
    this.#workspaces.set(ws, workspace);
    this.#schedule(ws, workspace);
    return workspace;
  }

  #schedule(ws: string, workspace: Workspace): void {
    if (this.#stopped) return;
    workspace.cancel = this.#clock.after(Math.max(50, workspace.lifeMs / 12), () => {
      if (this.#workspaces.get(ws) !== workspace) return;
      this.#tick(ws, workspace);
      this.#schedule(ws, workspace);
    });
  }

  #tick(ws: string, workspace: Workspace): void {
    const now = this.#clock.monotonicMs();
    const life = this.#lifeOf(ws);
    if (life !== undefined) workspace.lifeMs = life;
    if (!workspace.renewing && now - workspace.renewedAt >= workspace.lifeMs / 3) {
      workspace.renewing = true;
      void this.#renew(ws, workspace).finally(() => {
        workspace.renewing = false;
      });
    }
    // A quarter of a life is left to drain the provider in.
    for (const [authorization, hold] of workspace.holds) {
      if (hold.lost === undefined || hold.deadline - now > workspace.lifeMs / 4) continue;
      this.#lose(ws, authorization, hold, "unrenewed");
    }
  }

  async #renew(ws: string, workspace: Workspace): Promise<void> {
    const ids = [...workspace.holds.keys()];
    const sentAt = this.#clock.monotonicMs();
    for (let start = 0; start < ids.length; start += BATCH_MAX) {
      const authorizations = ids.slice(start, start + BATCH_MAX);
      try {
        const answer = await this.#engine.request(
          ws,
          { kind: "renew", authorizations },
          { tryTimeoutMs: TRY_MS, deadlineMs: Math.max(TRY_MS, workspace.lifeMs / 6) },
        );
        if (answer.kind !== "renewed") {
          const why = answer.kind === "refused" ? answer.message : answer.kind;
          this.#log.warn({ ws, holds: authorizations.length, why }, "holds are not renewed");
          return;
        }
        for (const id of authorizations) {
          const hold = workspace.holds.get(id);
          // Counted from before the request: the engine counts from after it.
          if (hold !== undefined) hold.deadline = sentAt + answer.expires_ms;
        }
        for (const { authorization, state } of answer.ended) {
          const hold = workspace.holds.get(authorization);
          if (hold === undefined) continue;
          this.#log.warn({ ws, authorization, state }, "a hold ended while its call was running");
          this.#lose(ws, authorization, hold, "ended");
        }
      } catch (cause) {
        this.#log.warn({ ws, cause: String(cause) }, "holds cannot be renewed");
        return;
      }
    }
    workspace.renewedAt = sentAt;
  }

  #lose(ws: string, authorization: string, hold: Hold, loss: Loss): void {
    const { lost } = hold;
    hold.lost = undefined;
    // An ended hold has no life left to renew.
    if (loss === "ended") this.end(ws, authorization);
    lost?.(loss, Math.max(0, hold.deadline - this.#clock.monotonicMs()));
  }
}
