/** One shard over a real journal, with Postgres stood in for by maps. */
import { hash, randomBytes } from "node:crypto";
import type { Answer, Command } from "../../actors/commands.ts";
import { bound, foundingCommand, KEY } from "../../actors/testing/world.ts";
import { decodeAnswer, encodeCommand } from "../../bus/codec.ts";
import { authorizationId } from "../../ledger/ids.ts";
import { machineClock } from "../actor-clock.ts";
import type { Journal } from "../journal.ts";
import type { Log, LogFields } from "../log.ts";
import type { ShardRequest } from "../mailbox.ts";
import type {
  LoadedState,
  RecordStore,
  ShardPosition,
  SnapshotStore,
  WorkspaceSnapshot,
} from "../ports.ts";
import { type Recovered, recoverShard } from "../recovery.ts";
import { saltSource } from "../salts.ts";
import { type ShardPorts, ShardTerm } from "../shard.ts";
import { rememberingPeriods } from "../zone.ts";

/** Everything a log was told. */
export interface LogLine {
  readonly level: "info" | "warn" | "alarm";
  readonly message: string;
  readonly fields: LogFields;
}

export class MemoryLog implements Log {
  readonly lines: LogLine[] = [];
  info(message: string, fields: LogFields = {}): void {
    this.lines.push({ level: "info", message, fields });
  }
  warn(message: string, fields: LogFields = {}): void {
    this.lines.push({ level: "warn", message, fields });
  }
  alarm(message: string, fields: LogFields = {}): void {
    this.lines.push({ level: "alarm", message, fields });
  }
}

/** What Postgres would keep. */
export class MemoryStores implements SnapshotStore, RecordStore {
  position: ShardPosition | undefined;
  readonly snapshots = new Map<string, WorkspaceSnapshot>();
  durable = 0;
  lines = new Map<string, readonly string[]>();
  /** Thrown by every look-up, when set: Postgres is away. */
  away: Error | undefined;

  async index() {
    const { position } = this;
    if (this.away !== undefined) throw this.away;
    return await Promise.resolve(
      position === undefined ? undefined : { position, workspaces: [...this.snapshots.values()] },
    );
  }

  async states(_shard: number, _era: number, names: readonly string[]) {
    if (this.away !== undefined) throw this.away;
    return await Promise.resolve(
      names.flatMap((ws): LoadedState[] => {
        const snapshot = this.snapshots.get(ws);
        return snapshot === undefined ? [] : [{ ws, snapshot }];
      }),
    );
  }

  async save(position: ShardPosition, changed: readonly WorkspaceSnapshot[]) {
    if (this.away !== undefined) throw this.away;
    if (this.position !== undefined && this.position.seq > position.seq) return "stale" as const;
    this.position = position;
    for (const snapshot of changed) this.snapshots.set(snapshot.ws, snapshot);
    return await Promise.resolve("saved" as const);
  }

  async entriesOf(_ws: string, authorization: string) {
    if (this.away !== undefined) throw this.away;
    return await Promise.resolve(this.lines.get(authorization) ?? []);
  }

  async byIdempotency() {
    if (this.away !== undefined) throw this.away;
    return await Promise.resolve(undefined);
  }

  async durablePosition() {
    if (this.away !== undefined) throw this.away;
    return await Promise.resolve(this.durable);
  }
}

export const PLACE = { shard: 0, era: 1, shards: 1, owner: "test" };

export interface TestShard {
  readonly term: ShardTerm;
  readonly recovered: Recovered;
  readonly log: MemoryLog;
  readonly stores: MemoryStores;
  readonly ports: ShardPorts;
}

/** Claims, replays and begins a term. */
export async function beginShard(
  journal: Journal,
  stores = new MemoryStores(),
  place = PLACE,
  overrides: Partial<ShardPorts> = {},
  recoveredNow: () => void = () => undefined,
): Promise<TestShard> {
  const log = new MemoryLog();
  const ports: ShardPorts = {
    journal,
    snapshots: stores,
    records: stores,
    clock: machineClock,
    log,
    periodsAt: rememberingPeriods(),
    sha256Hex: (text) => hash("sha256", text),
    salt: saltSource(),
    publishConfig: () => undefined,
    ...overrides,
  };
  const recovered = await recoverShard(place, ports);
  recoveredNow();
  return { term: new ShardTerm(place, recovered, ports), recovered, log, stores, ports };
}

/** A request, and its answer if there is one. */
export interface Sent {
  readonly answer: Promise<Answer>;
  /** Undefined until it was answered. */
  answered: Answer | undefined;
}

export function send(
  term: ShardTerm,
  ws: string,
  command: Command,
  overrides: Partial<ShardRequest> = {},
): Sent {
  const answer = Promise.withResolvers<Answer>();
  const sent: Sent = { answer: answer.promise, answered: undefined };
  term.receive({
    kind: command.kind,
    ws,
    bytes: encodeCommand(command),
    arrivedAt: performance.now(),
    ttlMs: 3_000,
    respond: (bytes) => {
      const parsed = decodeAnswer(bytes);
      if (!parsed.ok) throw new Error(parsed.problems.join("; "));
      if (sent.answered !== undefined) throw new Error("a request was answered twice");
      sent.answered = parsed.value;
      answer.resolve(parsed.value);
    },
    ...overrides,
  });
  return sent;
}

export function newId(): string {
  return authorizationId(Date.now(), randomBytes(16));
}

export function authorize(authorization = newId()): Extract<Command, { kind: "authorize" }> {
  return {
    agent: "bot",
    authorization,
    key: KEY,
    kind: "authorize",
    model: "auto",
    refinable: false,
    usage_bound: bound(1_000n, 1_000n),
  };
}

export function settle(authorization: string): Command {
  return {
    kind: "settle",
    authorization,
    final: true,
    part: "1",
    model: "model-xl",
    usage: { input: 500n, output: 300n },
  };
}

/** Makes a workspace in a term. */
export async function found(term: ShardTerm, ws: string): Promise<void> {
  const answer = await send(term, ws, foundingCommand({ ws })).answer;
  if (answer.kind !== "configured") throw new Error(`not made: ${answer.kind}`);
}
