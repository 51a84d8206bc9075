/** What can be said of a command before its workspace has seen it. */
import type { Command, RefusedAnswer } from "../actors/commands.ts";
import { refusal } from "../actors/refusal.ts";
import { decodeCommand, encodeAnswer } from "../bus/codec.ts";
import type { RefusalCode } from "../ledger/refusals.ts";
import { COMMAND_BYTES_MAX, unwritable } from "./command-checks.ts";
import type { ShardRequest } from "./mailbox.ts";

/** Refusals of the owner itself; each stands on no entry. */
export type OwnerRefusal = Extract<
  RefusalCode,
  "append-unresolved" | "fail-closed" | "halted" | "misrouted" | "too-late"
>;

const MESSAGES: { readonly [C in OwnerRefusal]: string } = {
  "append-unresolved":
    "The last write to the journal is not known to have landed yet; nothing was decided. Try again.",
  "fail-closed": "The engine cannot decide at the moment; nothing was decided. Try again.",
  halted:
    "This workspace is halted, because its record contradicts itself. An operator must look at the engine's log.",
  misrouted:
    "This workspace belongs to another shard, so nothing was decided: TARMAC_SHARDS differs between nats-server and node.",
  "too-late": "The command lay longer than its time to live; nothing was decided.",
};

/** Answers a command that is not decided here. */
export function refuse(request: ShardRequest, code: OwnerRefusal): void {
  request.respond(encodeAnswer(refusal(code, MESSAGES[code])));
}

/** Reads a command, or says all that is wrong with it. */
export function readCommand(request: ShardRequest): Command | RefusedAnswer {
  const { bytes, kind } = request;
  if (bytes.length > COMMAND_BYTES_MAX) {
    const message = `The command has ${bytes.length} bytes; at most ${COMMAND_BYTES_MAX} can be written as one.`;
    return refusal("body-too-large", message);
  }
  const parsed = decodeCommand(bytes);
  if (!parsed.ok) {
    return refusal("bad-request", "The command cannot be read.", {
      problems: parsed.problems.slice(0, 100),
    });
  }
  // Rights are given by subject, so the payload must be what the subject says.
  if (parsed.value.kind !== kind) {
    return refusal("bad-request", `A ${parsed.value.kind} was sent on the subject of ${kind}.`);
  }
  return unwritable(parsed.value) ?? parsed.value;
}
