import { setTimeout as sleep } from "node:timers/promises";
import { isLifeEntry, type LifeEntry } from "../actors/record.ts";
import { decodeOwnEntry } from "../ledger/codec.ts";
import type { AuthorizeEntry } from "../ledger/entries.ts";
import { authorizationOf } from "../ledger/ids.ts";
import { openReadModel, type ReadModel } from "../readmodel/read-model.ts";
import type { CliConfig } from "./config.ts";
import { EngineSession, postgresUrl } from "./engine-session.ts";
import { Failure } from "./output.ts";

/** One authorization with all its entries, as the read model has them. */
export interface Life {
  readonly opening: AuthorizeEntry;
  /** The entry that closed it; `undefined` while it is open. */
  readonly closedSeq: bigint | undefined;
  readonly entries: readonly LifeEntry[];
  /** Their canonical bytes and hashes, in the same order. */
  readonly lines: readonly string[];
  readonly hashes: readonly string[];
}

/** How long the read model may trail the ledger before a reader gives up, in ms. */
const CATCH_UP_MS = 10_000;

/** Runs over the read model. @throws Failure when no Tarmac is found */
export async function withReadModel<T>(
  config: CliConfig,
  run: (model: ReadModel) => Promise<T>,
): Promise<T> {
  const model = openReadModel(await postgresUrl(config), "tarmac cli");
  try {
    return await run(model);
  } finally {
    await model.close();
  }
}

/** Finds one authorization by either of its ids. @throws Failure when it is not there */
export async function lifeOf(config: CliConfig, ws: string, id: string): Promise<Life> {
  if (authorizationOf(id) === undefined) {
    throw new Failure(`${id} is not an id: give auth_… or rcpt_… followed by a UUID.`, 2);
  }
  return withReadModel(config, async (model) => {
    const found = await model.receipt(id, ws);
    if (found === undefined) {
      throw new Failure(
        `Workspace ${ws} has no authorization ${id}. Another workspace? Name it: --workspace NAME`,
      );
    }
    const entries = found.entries.map(({ line }) => decodeOwnEntry(line)).filter(isLifeEntry);
    const [opening] = entries;
    if (opening?.kind !== "authorize") {
      throw new Failure(`${id} was voided before it was authorized: nothing was decided or held.`);
    }
    return {
      closedSeq: found.receipt.closedSeq,
      entries,
      hashes: found.entries.map(({ hash }) => hash),
      lines: found.entries.map(({ line }) => line),
      opening,
    };
  });
}

/**
 * Waits until the read model has everything that the engine has answered by now, so that what a person
 * has just seen happen is also what is read. @returns the head's sequence and hash
 */
export async function caughtUpHead(
  config: CliConfig,
  model: ReadModel,
  ws: string,
): Promise<{ readonly seq: bigint; readonly hash: string }> {
  const session = await EngineSession.open(config);
  let wanted: { readonly seq: bigint; readonly hash: string };
  try {
    const answer = await session.request(ws, { kind: "inspect" });
    if (answer.kind !== "inspected") throw new Failure(`The engine answered ${answer.kind}.`);
    if (answer.seq === 0n) throw new Failure(`There is no workspace "${ws}".`);
    wanted = { hash: answer.head, seq: answer.seq };
  } finally {
    await session.close();
  }
  const deadline = performance.now() + CATCH_UP_MS;
  for (;;) {
    const row = (await model.workspaces()).find((known) => known.ws === ws);
    if (row !== undefined && row.seq >= wanted.seq) return wanted;
    if (performance.now() > deadline) {
      throw new Failure(
        `The read model of ${ws} is at entry ${row?.seq ?? 0n}, the ledger at ${wanted.seq}, and it does not catch up. See: npx tarmac logs node-1`,
      );
    }
    await sleep(50);
  }
}
