import { randomUUID } from "node:crypto";
import type { Answer, ConfigureCommand } from "../actors/commands.ts";
import { type Lane, laneKey } from "../ledger/price-card.ts";
import type { ConfigChange, PolicySettings, PriceSettings } from "../ledger/workspace-config.ts";
import { cardFor, type PriceCard } from "../prices/card.ts";
import type { EngineSession } from "./engine-session.ts";
import { Failure } from "./output.ts";
import { policyBytes, stageChanges, stageCommands } from "./workspace-files/stage-changes.ts";

/** What is to become of a workspace's configuration. */
export interface ConfigPush {
  readonly ws: string;
  /** Who says so; stands in the entries. */
  readonly by: string;
  readonly changes: readonly ConfigChange[];
  readonly policy?: PolicySettings;
  /** Prices to be in force; without it those in force stay, and no new lane can be used. */
  readonly card?: PriceCard;
}

/** What the engine said to a push: the commit's sequence, or its refusal with every mistake. */
export type PushResult = Extract<Answer, { readonly kind: "configured" | "refused" }>;

/** How long the configuration cache may lag behind the engine before a push gives up, in ms. */
export const CACHE_LAG_MS = 10_000;
/** Prices are at most this long in their entry; a workspace has a handful of lanes. */
const PRICE_BYTES_RESERVED = 60_000;

/**
 * Stages the changes and commits them as one: all of them count from the commit on, or none.
 * @throws Failure when the engine cannot be reached.
 */
export async function pushConfig(session: EngineSession, push: ConfigPush): Promise<PushResult> {
  const base = await configSeqOf(session, push.ws);
  const price = push.card && (await pricesFor(session, push, push.card, base));
  const entries = stageChanges(push.changes);
  const reserved =
    (price === undefined ? 0 : PRICE_BYTES_RESERVED) +
    (push.policy === undefined ? 0 : policyBytes(push.policy));
  const commands = stageCommands(entries, { lastReservedBytes: reserved });
  const stage = randomUUID();
  for (const [i, changes] of commands.entries()) {
    const commit = i === commands.length - 1;
    const command: ConfigureCommand = {
      base_seq: base,
      by: push.by,
      changes,
      commit,
      kind: "configure",
      stage,
      ...(commit && push.policy !== undefined ? { policy: push.policy } : {}),
      ...(commit && price !== undefined ? { price } : {}),
    };
    const answer = await session.request(push.ws, command);
    if (answer.kind === "refused") return answer;
    if (answer.kind !== "configured") throw new Failure(`The engine answered ${answer.kind}.`);
    if (commit) {
      // Gateways hear of it where this command does: a new key then works when its line is printed.
      await (await session.config()).whenAtLeast(push.ws, answer.seq, CACHE_LAG_MS);
      return answer;
    }
  }
  throw new Failure("There is nothing to apply.");
}

/** The last commit of a workspace; 0 where there is none yet. */
export async function configSeqOf(session: EngineSession, ws: string): Promise<bigint> {
  const answer = await session.request(ws, { kind: "inspect" });
  if (answer.kind === "inspected") return answer.config_seq ?? 0n;
  const why = answer.kind === "refused" ? answer.message : answer.kind;
  throw new Failure(`The engine did not say how workspace ${ws} is configured: ${why}`);
}

/** Prices of every lane that the workspace uses; `undefined` when those in force are the same. */
async function pricesFor(
  session: EngineSession,
  push: ConfigPush,
  card: PriceCard,
  base: bigint,
): Promise<PriceSettings | undefined> {
  const config = await session.config();
  if (!(await config.whenAtLeast(push.ws, base, CACHE_LAG_MS))) {
    throw new Failure(
      `The configuration of ${push.ws} is at ${base} in the ledger and at ${config.configSeq(push.ws)} in the cache. Try again; if it stays, see: tarmac status`,
    );
  }
  const inForce = config.workspace(push.ws)?.price;
  const used = new Map<string, Pick<Lane, "family" | "provider" | "region">>();
  for (const lane of inForce?.lanes ?? []) used.set(laneKey(lane), lane);
  for (const change of push.changes) {
    if (change.item === "agent" && change.value !== undefined) {
      used.set(laneKey(change.value.lane), change.value.lane);
    }
  }
  const same =
    inForce !== undefined && inForce.card === card.hash && used.size === inForce.lanes.length;
  return same ? undefined : cardFor(card, [...used.values()]);
}
