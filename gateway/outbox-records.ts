import { crc32 } from "node:zlib";
import {
  type SettleCommand,
  settleCommand,
  type VoidCommand,
  voidCommand,
} from "../actors/commands.ts";
import { authorizationIdSchema } from "../ledger/entries.ts";
import {
  bool,
  type Infer,
  instant,
  object,
  oneOf,
  parseJson,
  text,
  variant,
} from "../ledger/schema.ts";
import { name } from "../ledger/workspace-config.ts";

/**
 * Lines of the outbox: eight hex digits of CRC-32 over the JSON, a space, the JSON, a line feed. A line
 * whose sum does not fit was cut by a crash or changed on the disk; it is skipped and reported.
 */

/** A call that is about to go out, or went. */
const note = object({
  at: instant,
  authorization: authorizationIdSchema,
  record: oneOf(["note"]),
  ws: name,
});
/** What its settle would say now; `complete` once the provider has had its last word. */
const usage = object({
  at: instant,
  complete: bool,
  record: oneOf(["usage"]),
  settle: settleCommand,
  ws: name,
});
/** A settle or void that the engine has not acked yet. */
const owe = object(
  { at: instant, record: oneOf(["owe"]), ws: name },
  { settle: settleCommand, void: voidCommand },
);
/** The engine acked it; with `why`, it refused it for good, and a person has to look. */
const done = object(
  { at: instant, authorization: authorizationIdSchema, part: text(40), record: oneOf(["done"]) },
  { why: text(2_000) },
);

const outboxRecord = variant("record", { done, note, owe, usage });
export type OutboxRecord = Infer<typeof outboxRecord>;

/** What is sent once the engine can be reached. */
export type OwedCommand = SettleCommand | VoidCommand;

/** Tells one advice of an authorization from the others: its part, or `void`. */
export function partOf(command: OwedCommand): string {
  return command.kind === "settle" ? command.part : "void";
}

/** A line with its sum and line feed. */
export function encodeRecord(record: OutboxRecord): string {
  const json = outboxRecord.write(record);
  return `${sum(json)} ${json}\n`;
}

/** Reads one line without its line feed; undefined when it is torn or no record. */
export function decodeRecord(line: string): OutboxRecord | undefined {
  const json = line.slice(9);
  if (line.charAt(8) !== " " || line.slice(0, 8) !== sum(json)) return undefined;
  const parsed = parseJson(outboxRecord, json);
  return parsed.ok ? parsed.value : undefined;
}

function sum(json: string): string {
  return crc32(json).toString(16).padStart(8, "0");
}
