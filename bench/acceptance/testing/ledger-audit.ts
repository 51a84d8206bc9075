/** A workspace's ledger as a reader finds it, checked from its first entry. */
import { setTimeout as sleep } from "node:timers/promises";
import type { EngineSession } from "../../../cli/engine-session.ts";
import { LedgerVerifier } from "../../../cli/verify-ledger.ts";
import { decodeOwnEntry } from "../../../ledger/codec.ts";
import type { Entry, EntryKind, EntryOf } from "../../../ledger/entries.ts";
import type { ReadModel } from "../../../readmodel/read-model.ts";

/** How long a projection may take to come up to the journal, in ms. */
const PROJECTED_MS = 60_000;

/** A workspace's verified entries, in order. */
export interface Audit {
  readonly entries: readonly Entry[];
  /** Entries of one kind, in order. */
  of<K extends EntryKind>(kind: K): readonly EntryOf<K>[];
  /** Entries of one kind by their authorization, in order. */
  byAuthorization<K extends LifeKind>(kind: K): ReadonlyMap<string, readonly EntryOf<K>[]>;
}

type LifeKind = "adjust" | "authorize" | "expire" | "release" | "settle" | "void";

/**
 * Waits until everything that the engine has decided is projected, then reads the whole ledger and
 * verifies chain and balances.
 * @throws Error naming the first entry that is wrong, or when the projection does not come up.
 */
export async function auditLedger(
  session: EngineSession,
  readModel: ReadModel,
  ws: string,
): Promise<Audit> {
  const stood = await untilProjected(session, readModel, ws);
  const verifier = new LedgerVerifier();
  const entries: Entry[] = [];
  for await (const { line, seq } of readModel.entries(ws)) {
    const fault = verifier.next(line);
    if (fault !== undefined) throw new Error(`entry ${fault.seq} of ${ws}: ${fault.problem}`);
    const entry = decodeOwnEntry(line);
    if (entry.seq !== seq) throw new Error(`entry ${entry.seq} stands at ${seq}`);
    entries.push(entry);
    // More may have come meanwhile, such as the void of a lost reply: it must continue what was.
    if (seq === stood.seq && verifier.result().head !== stood.head) {
      throw new Error(`the ledger of ${ws} and the engine have another entry ${seq}`);
    }
  }
  const { entries: count } = verifier.result();
  if (count < stood.seq) {
    throw new Error(`the ledger of ${ws} ends at ${count}, the engine stood at ${stood.seq}`);
  }
  return auditOf(entries);
}

/** Waits until no hold of a workspace is open. @throws Error with how many still are */
export async function untilClosed(
  session: EngineSession,
  ws: string,
  timeoutMs = 90_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await session.request(ws, { kind: "inspect" });
    if (answer.kind !== "inspected") throw new Error(`inspect answered ${answer.kind}`);
    if (answer.open_holds === 0) return;
    if (performance.now() > deadline)
      throw new Error(`${answer.open_holds} holds are open in ${ws}`);
    await sleep(100);
  }
}

/** Where the engine stood when asked, once the projection has come up to that. */
async function untilProjected(
  session: EngineSession,
  readModel: ReadModel,
  ws: string,
): Promise<{ readonly head: string; readonly seq: bigint }> {
  const deadline = performance.now() + PROJECTED_MS;
  const answer = await session.request(ws, { kind: "inspect" });
  if (answer.kind !== "inspected") throw new Error(`inspect answered ${answer.kind}`);
  for (;;) {
    const row = (await readModel.workspaces()).find((workspace) => workspace.ws === ws);
    const at = row?.seq ?? 0n;
    if (at >= answer.seq) return answer;
    if (performance.now() > deadline) {
      throw new Error(`the projection of ${ws} stands at ${at}, the engine at ${answer.seq}`);
    }
    await sleep(50);
  }
}

function auditOf(entries: readonly Entry[]): Audit {
  const of = <K extends EntryKind>(kind: K) =>
    entries.filter((entry): entry is EntryOf<K> => entry.kind === kind);
  return {
    entries,
    of,
    byAuthorization<K extends LifeKind>(kind: K) {
      const found = new Map<string, EntryOf<K>[]>();
      for (const entry of of(kind)) {
        const { authorization } = entry as { readonly authorization: string };
        const list = found.get(authorization) ?? [];
        list.push(entry);
        found.set(authorization, list);
      }
      return found;
    },
  };
}

/** A counter over its limit, at one entry. */
export interface Excess {
  readonly seq: bigint;
  readonly cap: string;
  readonly over: bigint;
}

/**
 * Every place at which a capped counter has `settled + held > limit`, at any entry and not at admits
 * alone. A leg states its limit in decisions only; between them the last one stands.
 */
export function excesses(entries: readonly Entry[]): readonly Excess[] {
  const limits = new Map<string, bigint>();
  const found: Excess[] = [];
  for (const entry of entries) {
    if (!("legs" in entry)) continue;
    for (const leg of entry.legs) {
      const counter = `${leg.cap}|${leg.period}`;
      if (leg.limit !== undefined) limits.set(counter, leg.limit);
      const limit = limits.get(counter);
      if (limit === undefined) continue;
      const over = leg.settled + leg.held - limit;
      if (over > 0n) found.push({ cap: leg.cap, over, seq: entry.seq });
    }
  }
  return found;
}

/** The balance of every counter after the last entry, by `cap|period`. */
export function balancesAfter(
  entries: readonly Entry[],
): ReadonlyMap<string, { readonly held: bigint; readonly settled: bigint }> {
  const balances = new Map<string, { held: bigint; settled: bigint }>();
  for (const entry of entries) {
    if (!("legs" in entry)) continue;
    for (const { cap, held, period, settled } of entry.legs) {
      balances.set(`${cap}|${period}`, { held, settled });
    }
  }
  return balances;
}
