import type { Answer } from "../../actors/commands.ts";
import type { EngineClient, RequestOptions } from "../../bus/engine-client.ts";
import { randomPool } from "../../bus/random-pool.ts";
import { authorizationId } from "../../ledger/ids.ts";
import type { UsageBound } from "../../ledger/usage.ts";
import type { BenchWorkspace } from "../cluster/workspaces.ts";

const randomBytes = randomPool(10);

/** A fresh authorization id of now. */
export function freshId(): string {
  return authorizationId(Date.now(), randomBytes());
}

/** What a call with a prompt of a few thousand tokens may use. */
export const BOUND: UsageBound = {
  cache_write: ["5m"],
  choices: 1n,
  counted: false,
  hidden_input: false,
  input: 6_000n,
  iterations: 1n,
  modalities: ["text"],
  output: 1_024n,
  web_search: 0n,
};

/** What such a call then used. */
export const USED = { cache_read: 1_200n, input: 2_400n, output: 380n } as const;

/** Longer than any takeover: a bench counts what is slow, it does not fail. */
const PATIENCE: RequestOptions = { deadlineMs: 15_000, tryTimeoutMs: 10_000 };

export interface HoldOptions {
  readonly run?: string;
  readonly patience?: RequestOptions;
}

/** Places one hold. @throws Error when it was not admitted: a bench's caps fit everything */
export async function placeHold(
  engine: EngineClient,
  { agent, keyId, ws }: Pick<BenchWorkspace, "agent" | "keyId" | "ws">,
  { run, patience = PATIENCE }: HoldOptions = {},
): Promise<string> {
  const authorization = freshId();
  const answer = await engine.request(
    ws,
    {
      agent,
      authorization,
      key: keyId,
      kind: "authorize",
      model: "auto",
      refinable: false,
      usage_bound: BOUND,
      ...(run === undefined ? {} : { run }),
    },
    patience,
  );
  if (answer.kind !== "decided" || answer.outcome === "hold") throw unexpected(answer);
  return authorization;
}

/** Settles a hold at a part of what it may use. */
export async function settleHold(
  engine: EngineClient,
  { ws }: Pick<BenchWorkspace, "ws">,
  authorization: string,
  patience = PATIENCE,
): Promise<void> {
  const answer = await engine.request(
    ws,
    {
      authorization,
      final: true,
      kind: "settle",
      part: "1",
      usage: USED,
    },
    patience,
  );
  if (answer.kind !== "posted") throw unexpected(answer);
}

function unexpected(answer: Answer): Error {
  const text = JSON.stringify(answer, (_, part: unknown) =>
    typeof part === "bigint" ? `${part}` : part,
  );
  return new Error(`the engine answered ${text}`);
}
