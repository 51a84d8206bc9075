/**
 * Signs the logs of the workspaces whose shards are owned here. Of each it goes these steps, and a step
 * that does not come out right halts that log alone:
 *
 *   changed ─▶ read and hashed again ─▶ in the journal ─▶ written down, behind the last ─▶ signed
 *
 * "Written down" is a compare-and-set that waits for the disk, so of two keepers one comes first, and
 * whatever ends in the middle, nothing is ever signed twice at one place: what has no note yet is checked
 * again and gets it. The keeper is polite: it looks once a second, stops after a quarter of one, and
 * signs for a workspace every two seconds at most. Owners do not wait for it.
 */
import { setTimeout as sleep } from "node:timers/promises";

import { connectBus, type NatsConnection } from "../../bus/connect.ts";
import { PostgresUnavailable } from "../../readmodel/connect.ts";
import type { ProjectorLog } from "../projector-log.ts";
import { CheckpointStore, type GrownLog, type StoredLog } from "./checkpoint-store.ts";
import { extendLog, type LogPoint } from "./extend-log.ts";
import { askJournal } from "./journal-line.ts";
import type { KeySource } from "./key-sources.ts";
import { LogFault } from "./log-fault.ts";
import { SigningKeys, signPoint } from "./signing-keys.ts";

/** Pause between two looks at what has changed, in ms. */
const PASS_MS = 1_000;
/** A look that has taken so long goes on in the next one, in ms. */
const BUSY_MS = 250;
/** The least time between two checkpoints of a workspace, in ms. */
const REST_MS = 2_000;
/** Workspaces of one look, and entries of one workspace in it: some 10 ms of hashing at a time. */
const WORKSPACES_MAX = 100;
const ENTRIES_MAX = 1_000n;
/**
 * A leader that was cut off answers from the past for up to 7 s, so what a journal seems to miss is
 * asked for again for this long before it is believed. ms
 */
const STALE_MS = 15_000;

export interface KeeperOptions {
  readonly postgresUrl: string;
  readonly nats: { readonly servers: string; readonly user?: string; readonly pass?: string };
  /** The logs' origins begin with it. */
  readonly host: string;
  readonly keys: readonly KeySource[];
  readonly onLog: (line: ProjectorLog) => void;
  /** For tests: shorter times, and less in one look. */
  readonly passMs?: number;
  readonly restMs?: number;
  readonly staleMs?: number;
  readonly entriesMax?: bigint;
}

/** The end of a workspace's chain up to which Postgres is durable. */
export interface DurableHead {
  readonly seq: bigint;
  /** SHA-256 of the entry at seq, hex. */
  readonly hash: string;
  /** Whether it came from the journal just now; else only Postgres says so. */
  readonly fromJournal: boolean;
}

/** A log of which nothing more is signed. */
export interface HaltedLog {
  readonly ws: string;
  readonly reason: string;
}

interface Watched {
  readonly ws: string;
  readonly shard: number;
  head: DurableHead;
  /** No look before; monotonic ms. */
  dueAt: number;
  /** Up to where nothing is left to be signed. */
  signed: bigint;
  /** Since when the journal seems to miss an entry of it; monotonic ms. */
  missingSince: number | undefined;
  halted: string | undefined;
}

/** A log that cannot be looked into for now: nothing is wrong with it. */
class NotYet extends Error {
  override readonly name = "NotYet";
}

/** Connects and begins to sign what it is told of. @throws BusUnreachable when NATS does not answer. */
export async function startKeeper(options: KeeperOptions): Promise<CheckpointKeeper> {
  const nc = await connectBus({ ...options.nats, name: "tarmac checkpoints" });
  return new CheckpointKeeper(options, nc);
}

/** Signs checkpoints of what it is told of. Made by {@link startKeeper}. */
export class CheckpointKeeper {
  readonly #options: KeeperOptions;
  readonly #nc: NatsConnection;
  readonly #store: CheckpointStore;
  readonly #keys: SigningKeys;
  readonly #watched = new Map<string, Watched>();
  readonly #stopping = new AbortController();
  readonly #loop: Promise<void>;
  #stopped: Promise<void> | undefined;
  #trouble = "";

  constructor(options: KeeperOptions, nc: NatsConnection) {
    this.#options = options;
    this.#nc = nc;
    this.#store = new CheckpointStore(options.postgresUrl);
    this.#keys = new SigningKeys(options.keys, options.onLog);
    this.#loop = this.#run();
  }

  /** Says how far workspaces of a shard are durable in Postgres. */
  durable(shard: number, heads: ReadonlyMap<string, DurableHead>): void {
    for (const [ws, head] of heads) {
      const known = this.#watched.get(ws);
      if (known === undefined || known.shard !== shard) {
        const fresh = { dueAt: 0, signed: -1n, missingSince: undefined, halted: undefined };
        this.#watched.set(ws, { ws, shard, head, ...fresh });
      } else if (head.seq > known.head.seq || (head.seq === known.head.seq && head.fromJournal)) {
        known.head = head;
      }
    }
  }

  /** Forgets a shard that another node owns now. */
  release(shard: number): void {
    for (const { ws, shard: own } of [...this.#watched.values()]) {
      if (own === shard) this.#watched.delete(ws);
    }
  }

  /** Logs that stand still. */
  halted(): readonly HaltedLog[] {
    return [...this.#watched.values()].flatMap(({ ws, halted }) =>
      halted === undefined ? [] : [{ ws, reason: halted }],
    );
  }

  /** Ends after the look that is under way. */
  stop(): Promise<void> {
    this.#stopped ??= this.#end();
    return this.#stopped;
  }

  async #end(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    await this.#store.close();
    await this.#nc.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { passMs = PASS_MS } = this.#options;
    while (!signal.aborted) {
      const began = performance.now();
      try {
        while (await this.#look(began)) if (performance.now() - began > BUSY_MS) break;
        this.#trouble = "";
      } catch (fault) {
        this.#waits(fault);
      }
      await sleep(passMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /**
   * One look at what has changed: as many logs as fit, written down together, then signed together.
   * @returns whether a log has more than fitted.
   */
  async #look(now: number): Promise<boolean> {
    const due = this.#due(now);
    if (due.length === 0) return false;
    const keys = await this.#keys.current();
    if (keys.length === 0) return false;
    const logs = new Map(
      (await this.#store.logs(due.map(({ ws }) => ws))).map((log) => [log.ws, log]),
    );
    const grown: GrownLog[] = [];
    /** What is written down already and only lacks its note. */
    const unsigned: { readonly ws: string; readonly point: LogPoint }[] = [];
    for (const watched of due) {
      if (this.#stopping.signal.aborted || performance.now() - now > BUSY_MS) break;
      const log = logs.get(watched.ws);
      if (log === undefined) {
        this.#halt(new LogFault(watched.ws, 1n, "its row in the table workspaces is missing"));
        continue;
      }
      const point = await this.#grow(watched, log);
      if (point === undefined) continue;
      if (point.point.size === log.last.size) unsigned.push({ ws: log.ws, point: log.last });
      else grown.push({ ws: log.ws, follows: log.last.size, ...point });
    }
    const written = await this.#write(grown);
    const points = [...unsigned, ...written];
    if (points.length === 0) return false;
    const { host } = this.#options;
    await this.#store.sign(points.map(({ ws, point }) => signPoint(host, ws, point, keys)));
    return points.map(({ ws, point }) => this.#signedAt(ws, point.size, now)).some(Boolean);
  }

  /** Changed logs, the one that waits longest first. */
  #due(now: number): readonly Watched[] {
    return [...this.#watched.values()]
      .filter(({ head, signed, dueAt, halted }) => {
        return halted === undefined && head.seq > signed && dueAt <= now;
      })
      .sort((a, b) => a.dueAt - b.dueAt)
      .slice(0, WORKSPACES_MAX);
  }

  /** What may be written down of a log next; `undefined` when that is nothing, or not now. */
  async #grow(
    watched: Watched,
    log: StoredLog,
  ): Promise<Pick<GrownLog, "point" | "tiles"> | undefined> {
    try {
      return await this.#extend(watched, log);
    } catch (fault) {
      if (fault instanceof LogFault) {
        this.#halt(fault);
        return undefined;
      }
      if (!(fault instanceof NotYet)) throw fault;
      watched.dueAt = performance.now() + (this.#options.passMs ?? PASS_MS);
      return undefined;
    }
  }

  async #extend(
    watched: Watched,
    log: StoredLog,
  ): Promise<Pick<GrownLog, "point" | "tiles"> | undefined> {
    const { ws, last, isSigned, head } = log;
    if (last.size > head.seq) {
      throw new LogFault(
        ws,
        head.seq + 1n,
        `a checkpoint was signed over ${last.size} entries, and Postgres has ${head.seq}`,
      );
    }
    // Another node may have signed beyond what this one knows to be durable; and a Postgres that came
    // back with less than it had is filled again by the projector.
    const durable = least(watched.head.seq, head.seq);
    const known = durable > last.size ? durable : last.size;
    if (known === last.size && isSigned) {
      watched.signed = last.size;
      return undefined;
    }
    const { entriesMax = ENTRIES_MAX } = this.#options;
    const to = least(known, last.size + entriesMax);
    const { point, end, tiles } = extendLog(await this.#store.piece(log, to));
    if (point.size < to) {
      throw new LogFault(ws, point.size + 1n, `entry ${point.size + 1n} is missing in Postgres`);
    }
    if (end.seq === head.seq && end.hash !== head.hash) {
      throw new LogFault(ws, end.seq, `entry ${end.seq} is not the head of the workspace's chain`);
    }
    await this.#requireInJournal(watched, end.seq, end.hash);
    return { point, tiles };
  }

  /** @throws LogFault when the journal has another entry there; NotYet while it seems to have none. */
  async #requireInJournal(watched: Watched, seq: bigint, hash: string): Promise<void> {
    const { ws, head } = watched;
    if (head.fromJournal && head.seq === seq) {
      if (head.hash === hash) return;
      throw new LogFault(ws, seq, `entry ${seq} in Postgres is not the one in the journal`);
    }
    const place = await this.#store.place(ws, seq);
    if (place === undefined) throw new LogFault(ws, seq, `entry ${seq} is missing in Postgres`);
    const answer = await askJournal(this.#nc, place, hash);
    if (answer === "missing") {
      const { staleMs = STALE_MS } = this.#options;
      watched.missingSince ??= performance.now();
      if (performance.now() - watched.missingSince < staleMs) throw new NotYet();
      throw new LogFault(ws, seq, `entry ${seq} is not in the journal: the journal went back`);
    }
    watched.missingSince = undefined;
    if (answer === "there") return;
    throw new LogFault(ws, seq, `entry ${seq} in Postgres is not the one in the journal`);
  }

  /** Writes down what has grown. @returns what was written; logs with a wrong tile halt. */
  async #write(grown: readonly GrownLog[]): Promise<readonly GrownLog[]> {
    let left = grown;
    while (left.length > 0) {
      try {
        const added = await this.#store.add(left);
        return left.filter(({ ws }) => added.has(ws));
      } catch (fault) {
        if (!(fault instanceof LogFault)) throw fault;
        this.#halt(fault);
        left = left.filter(({ ws }) => ws !== fault.ws);
      }
    }
    return [];
  }

  /** @returns whether the log has more than fits a step: then it goes on at once. */
  #signedAt(ws: string, size: bigint, now: number): boolean {
    const watched = this.#watched.get(ws);
    if (watched === undefined) return false;
    watched.signed = size;
    const { restMs = REST_MS, entriesMax = ENTRIES_MAX } = this.#options;
    const hasMore = watched.head.seq - size >= entriesMax;
    watched.dueAt = hasMore ? now : now + restMs;
    return hasMore;
  }

  #halt(fault: LogFault): void {
    const { ws, seq, message: reason } = fault;
    const watched = this.#watched.get(ws);
    if (watched === undefined || watched.halted !== undefined) return;
    watched.halted = reason;
    this.#options.onLog({
      level: "alarm",
      shard: watched.shard,
      message:
        `the log of workspace ${ws} is HALTED at entry ${seq}: ${reason}. Nothing more of it is ` +
        "signed; holds go on, and so do the other logs. Look: \"SELECT seq, encode(hash, 'hex'), " +
        `stream_seq FROM entries WHERE ws = '${ws}' AND seq BETWEEN ${seq} - 1 AND ${seq} + 1" shows ` +
        "the entries and their messages in the journal, \"SELECT size, encode(root, 'hex') FROM " +
        `checkpoints WHERE ws = '${ws}' ORDER BY size DESC LIMIT 3" what was signed. Restart this ` +
        "node when the cause is gone",
    });
  }

  /** Says once what keeps it waiting, until it no longer does. */
  #waits(fault: unknown): void {
    const what = fault instanceof Error ? fault.message : String(fault);
    // Which of several statements met with it does not matter.
    const kind = fault instanceof PostgresUnavailable ? "postgres" : what;
    if (this.#trouble !== kind) {
      this.#options.onLog({ level: "warn", message: `checkpoints wait: ${what}` });
    }
    this.#trouble = kind;
  }
}

function least(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}
