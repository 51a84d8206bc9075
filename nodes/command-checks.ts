import type { Command, RefusedAnswer } from "../actors/commands.ts";
import { refusal } from "../actors/refusal.ts";
import { ENTRY_BYTES_MAX } from "../ledger/entries.ts";
import { list } from "../ledger/schema.ts";
import { configChange, policySettings, priceSettings } from "../ledger/workspace-config.ts";
import { isTimeZone } from "./zone.ts";

/** A command's bytes at most: what it decides must fit one block with room for the envelopes. */
export const COMMAND_BYTES_MAX = 160 * 1024;
/** Attributes of one call at most, in UTF-8 bytes of names and values. */
const ATTRIBUTES_BYTES_MAX = 2_048;
/** Fields of an entry besides what its command says, in bytes. */
const ENVELOPE_BYTES_MAX = 1_024;

const changeList = list(configChange, 2_000);

/**
 * Refuses what no actor could write down: entries over their size, and zones this machine has no data
 * for, which only the edge can know.
 */
export function unwritable(command: Command): RefusedAnswer | undefined {
  if (command.kind === "authorize") return unwritableAttributes(command.attributes);
  if (command.kind !== "configure") return undefined;
  const problems: string[] = [];
  const parts: [string, string][] = command.changes.map((changes, i) => [
    `changes[${i}]`,
    changeList.write(changes),
  ]);
  if (command.policy !== undefined) parts.push(["policy", policySettings.write(command.policy)]);
  if (command.price !== undefined) parts.push(["price", priceSettings.write(command.price)]);
  for (const [path, text] of parts) {
    const bytes = Buffer.byteLength(text, "utf8");
    if (bytes > ENTRY_BYTES_MAX - ENVELOPE_BYTES_MAX) {
      problems.push(`${path}: has ${bytes} bytes and an entry takes 64 KiB; send it in parts`);
    }
  }
  for (const change of command.changes.flat()) {
    const zone = change.item === "workspace" ? change.value?.time_zone : undefined;
    if (zone !== undefined && !isTimeZone(zone)) {
      problems.push(`time_zone: "${zone}" is not an IANA zone like Europe/Berlin`);
    }
  }
  if (problems.length === 0) return undefined;
  const message = `Nothing was applied: ${problems.length} mistake(s).`;
  return refusal("bad-request", message, { problems });
}

function unwritableAttributes(
  attributes: Readonly<Record<string, string>> | undefined,
): RefusedAnswer | undefined {
  if (attributes === undefined) return undefined;
  let bytes = 0;
  for (const [name, value] of Object.entries(attributes)) {
    bytes += name.length + Buffer.byteLength(value, "utf8");
  }
  if (bytes <= ATTRIBUTES_BYTES_MAX) return undefined;
  const problem = `attributes: have ${bytes} bytes; at most ${ATTRIBUTES_BYTES_MAX} are kept`;
  return refusal("bad-request", "The attributes are too long.", { problems: [problem] });
}
