/**
 * The actors of one shard in one term. Those that are used are in memory; of the others only a head is
 * known, and their state stands in Postgres. So what idle workspaces cost is a line of an index.
 *
 *   resting → loading (a command came, or a hold may be due) → resident → resting (idle, and saved)
 *   any → halted, when what was loaded is not what this term knows of it
 *
 * What comes back is what was put away: an actor goes only when its snapshot stands on its very last
 * entry, when no hold is open (renewals are in memory alone) and when nothing waits to be forgotten.
 */
import { setImmediate as turn } from "node:timers/promises";

import { decodeSnapshot } from "../actors/snapshot.ts";
import { beginTerm, type WorkspaceState } from "../actors/workspace.ts";
import type { Log } from "./log.ts";
import type { Clock, LoadedState, SnapshotHead, SnapshotStore } from "./ports.ts";
import type { Recovered, ShardPlace } from "./recovery.ts";

export interface ActorPorts {
  readonly snapshots: SnapshotStore;
  readonly clock: Clock;
  readonly log: Log;
}

/** What a term wants to know of its actors. */
export interface ActorListener {
  /** It is in memory now. */
  loaded(ws: string, state: WorkspaceState): void;
  /** It could not be loaded for now: Postgres is away. */
  missed(ws: string): void;
  /** It cannot be trusted. */
  broken(ws: string, reason: string): void;
  /** Another owner has worked since: this term is over, whatever it believes. */
  outrun(reason: string): void;
}

/** States asked for in one statement. */
const LOAD_ROWS = 64;
/** Loads at once: one large state does not keep all others waiting. */
const LOADS_MAX = 2;
/** Who waits for a state that takes longer is told that nothing was decided. ms */
const LOAD_MS = 2_000;

export class ShardActors {
  readonly residents: Map<string, WorkspaceState>;
  readonly #resting: Map<string, SnapshotHead>;
  readonly #place: ShardPlace;
  readonly #ports: ActorPorts;
  readonly #claimAt: number;
  readonly #listener: ActorListener;
  /** When each resident was last used, monotonic ms. */
  readonly #usedAt = new Map<string, number>();
  /** The entry that each resident's snapshot in Postgres stands on. */
  readonly #saved = new Map<string, bigint>();
  readonly #wanted: string[] = [];
  readonly #loading = new Set<string>();
  readonly #waiting = new Map<string, ((state: WorkspaceState | undefined) => void)[]>();
  #loads = 0;
  #complained = false;
  #stopped = false;

  constructor(
    place: ShardPlace,
    recovered: Pick<Recovered, "workspaces" | "resting" | "claim">,
    ports: ActorPorts,
    listener: ActorListener,
  ) {
    this.#place = place;
    this.#ports = ports;
    this.#listener = listener;
    this.residents = recovered.workspaces;
    this.#resting = recovered.resting;
    this.#claimAt = recovered.claim.at;
    const now = ports.clock.monotonicMs();
    for (const ws of this.residents.keys()) this.#usedAt.set(ws, now);
  }

  /** All there are, in memory or not. */
  get size(): number {
    return this.residents.size + this.#resting.size;
  }

  /** What is known of the actors that are not in memory. */
  get resting(): ReadonlyMap<string, SnapshotHead> {
    return this.#resting;
  }

  /** Takes note that a resident is used; a new one becomes known. */
  use(state: WorkspaceState, now: number): void {
    this.residents.set(state.ws, state);
    this.#usedAt.set(state.ws, now);
  }

  /** The entry up to which a resident's snapshot is in Postgres; 0 when there is none. */
  savedSeq(ws: string): bigint {
    return this.#saved.get(ws) ?? 0n;
  }

  /** Takes note that a resident's snapshot is in Postgres. */
  saved(ws: string, seq: bigint): void {
    if (this.residents.has(ws)) this.#saved.set(ws, seq);
  }

  /** It is never used again in this term. */
  drop(ws: string): void {
    this.#resting.delete(ws);
    this.#forget(ws);
  }

  stop(): void {
    this.#stopped = true;
  }

  /**
   * Has an actor loaded for somebody else than the term, which hears of it first.
   * @returns nothing for one that is unknown, halted, or cannot be loaded now.
   */
  async load(ws: string): Promise<WorkspaceState | undefined> {
    if (!this.#resting.has(ws)) return this.residents.get(ws);
    return await new Promise((resolve) => {
      const waiting = this.#waiting.get(ws);
      if (waiting === undefined) this.#waiting.set(ws, [resolve]);
      else waiting.push(resolve);
      this.want(ws);
    });
  }

  /** Begins to load an actor; the listener hears how it went. */
  want(ws: string): void {
    if (this.#loading.has(ws) || !this.#resting.has(ws)) return;
    this.#loading.add(ws);
    this.#wanted.push(ws);
    if (this.#loads >= LOADS_MAX) return;
    this.#loads += 1;
    // What else comes with this turn of the event loop shares the statement.
    setImmediate(() => void this.#loadAll());
  }

  /**
   * Puts away who was not used since `since` and can come back as it is.
   * @returns their names.
   */
  putAway(since: number): readonly string[] {
    const gone: string[] = [];
    for (const [ws, usedAt] of this.#usedAt) {
      const state = usedAt <= since ? this.residents.get(ws) : undefined;
      if (state === undefined || !this.#canRest(state)) continue;
      this.#resting.set(ws, headOf(state));
      this.#forget(ws);
      gone.push(ws);
    }
    return gone;
  }

  #canRest(state: WorkspaceState): boolean {
    const { ws, head, openHolds, fading } = state;
    return openHolds === 0 && fading.length === 0 && this.#saved.get(ws) === head.seq;
  }

  #forget(ws: string): void {
    this.residents.delete(ws);
    this.#usedAt.delete(ws);
    this.#saved.delete(ws);
  }

  async #loadAll(): Promise<void> {
    const { shard, era } = this.#place;
    while (this.#wanted.length > 0 && !this.#stopped) {
      const names = this.#wanted.splice(0, LOAD_ROWS);
      const late = setInterval(() => {
        this.#complain(names.length, new Error(`no answer after ${LOAD_MS} ms`));
        for (const ws of names) this.#missed(ws);
      }, LOAD_MS);
      try {
        const states = await this.#ports.snapshots.states(shard, era, names);
        clearInterval(late);
        this.#relieve();
        const found = new Map(states.map((state) => [state.ws, state]));
        for (const ws of names) {
          this.#arrived(ws, found.get(ws));
          // Commands of others go on between two states.
          await turn();
        }
      } catch (error) {
        clearInterval(late);
        this.#complain(names.length, error);
        for (const ws of names) {
          this.#loading.delete(ws);
          this.#missed(ws);
        }
      }
    }
    this.#loads -= 1;
  }

  #arrived(ws: string, loaded: LoadedState | undefined): void {
    this.#loading.delete(ws);
    const head = this.#resting.get(ws);
    if (head === undefined || this.#stopped) return this.#tell(ws, undefined);
    if (loaded !== undefined && "snapshot" in loaded && loaded.snapshot.seq > head.seq) {
      const { seq } = loaded.snapshot;
      this.#listener.outrun(`${ws} is at entry ${seq} in Postgres, and at ${head.seq} here`);
      this.#tell(ws, undefined);
      return;
    }
    let state: WorkspaceState;
    try {
      state = read(head, loaded);
    } catch (error) {
      this.#listener.broken(ws, error instanceof Error ? error.message : String(error));
      this.#tell(ws, undefined);
      return;
    }
    beginTerm(state, this.#claimAt);
    this.#resting.delete(ws);
    this.#saved.set(ws, state.head.seq);
    this.use(state, this.#ports.clock.monotonicMs());
    this.#listener.loaded(ws, state);
    this.#tell(ws, state);
  }

  #missed(ws: string): void {
    if (!this.#resting.has(ws) || this.#stopped) return;
    this.#listener.missed(ws);
    this.#tell(ws, undefined);
  }

  #tell(ws: string, state: WorkspaceState | undefined): void {
    const waiting = this.#waiting.get(ws) ?? [];
    this.#waiting.delete(ws);
    for (const resolve of waiting) resolve(state);
  }

  #complain(waiting: number, error: unknown): void {
    if (this.#complained) return;
    this.#complained = true;
    this.#ports.log.alarm(
      "workspaces that are not in memory cannot be loaded from Postgres: their commands are refused, the others go on",
      { shard: this.#place.shard, waiting, error },
    );
  }

  #relieve(): void {
    if (!this.#complained) return;
    this.#complained = false;
    this.#ports.log.info("workspaces are loaded from Postgres again", { shard: this.#place.shard });
  }
}

function headOf(state: WorkspaceState): SnapshotHead {
  const { ws, head, configSeq } = state;
  return { ws, seq: head.seq, hash: head.hash, nextExpiryAt: undefined, configSeq };
}

/** Reads a state that must be the one this term knows. @throws Error that says what is not so. */
function read(head: SnapshotHead, loaded: LoadedState | undefined): WorkspaceState {
  const { ws, seq } = head;
  const look =
    'look at its row with "SELECT seq, hash FROM snapshots" and at its entries with tarmac verify';
  if (loaded === undefined) {
    throw new Error(`the snapshot of ${ws} at entry ${seq} is gone from Postgres: ${look}`);
  }
  if ("fault" in loaded) throw loaded.fault;
  const { snapshot } = loaded;
  if (snapshot.seq !== seq || snapshot.hash !== head.hash) {
    throw new Error(
      `the snapshot of ${ws} stands on entry ${snapshot.seq} with hash ${snapshot.hash}, and its ` +
        `owner knows entry ${seq} with hash ${head.hash}: ${look}`,
    );
  }
  const state = decodeSnapshot(Buffer.from(snapshot.state).toString("utf8"));
  if (state.ws !== ws || state.head.seq !== seq || state.head.hash !== head.hash) {
    throw new Error(`the snapshot of ${ws} is not the one that its row names: ${look}`);
  }
  return state;
}
