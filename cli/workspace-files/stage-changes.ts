import { assert } from "../../ledger/assert.ts";
import {
  type ConfigChange,
  configChange,
  type PolicySettings,
  policySettings,
} from "../../ledger/workspace-config.ts";

/**
 * Bytes of changes in one `configure` entry. The entry may have 65,535 (ledger/entries.ts); envelope,
 * author and stage take under 1,000, the rest is room.
 */
export const ENTRY_CHANGES_BYTES_MAX = 58_000;
/** Bytes of one command: all its entries go into one block of at most 256 KiB, envelopes included. */
export const COMMAND_BYTES_MAX = 190_000;
/** Elements of a `configure` entry's list, and entries of one command. */
const CHANGES_MAX = 2_000;
const ENTRIES_MAX = 100;

export interface StageLimits {
  readonly entryBytesMax?: number;
  readonly entryChangesMax?: number;
}

/** Bytes of a change in an entry, with the comma after it. */
export function changeBytes(change: ConfigChange): number {
  return new TextEncoder().encode(configChange.write(change)).length + 1;
}

/**
 * Splits changes, in their order, into lists that each fit one `configure` entry. No changes give one
 * empty list, so that a commit of prices or policy alone still has its entry.
 * @throws InvariantError when one change alone does not fit; the loader refuses such files.
 */
export function stageChanges(
  changes: readonly ConfigChange[],
  limits: StageLimits = {},
): ConfigChange[][] {
  const { entryBytesMax = ENTRY_CHANGES_BYTES_MAX, entryChangesMax = CHANGES_MAX } = limits;
  const entries: ConfigChange[][] = [[]];
  let bytes = 0;
  for (const change of changes) {
    const size = changeBytes(change);
    assert(size <= entryBytesMax, `a change of ${change.id} has ${size} bytes: no entry holds it`);
    let entry = entries.at(-1) as ConfigChange[];
    if (bytes + size > entryBytesMax || entry.length === entryChangesMax) {
      entry = [];
      entries.push(entry);
      bytes = 0;
    }
    entry.push(change);
    bytes += size;
  }
  return entries;
}

export interface CommandLimits {
  readonly commandBytesMax?: number;
  /** Bytes kept free in the last command, for the policy and prices that go with the commit. */
  readonly lastReservedBytes?: number;
}

/**
 * Puts staged entries, in their order, into commands; all but the last are sent with `commit: false`.
 * The last may be empty: when what is reserved in it leaves no room.
 */
export function stageCommands(
  entries: readonly (readonly ConfigChange[])[],
  limits: CommandLimits = {},
): (readonly ConfigChange[])[][] {
  const { commandBytesMax = COMMAND_BYTES_MAX, lastReservedBytes = 0 } = limits;
  const commands: (readonly ConfigChange[])[][] = [[]];
  let bytes = 0;
  for (const entry of entries) {
    // Brackets and comma of the list.
    const size = entry.reduce((sum, change) => sum + changeBytes(change), 3);
    const command = commands.at(-1) as (readonly ConfigChange[])[];
    const full = bytes + size > commandBytesMax || command.length === ENTRIES_MAX;
    if (full && command.length > 0) {
      commands.push([entry]);
      bytes = size;
    } else {
      command.push(entry);
      bytes += size;
    }
  }
  if (bytes + lastReservedBytes > commandBytesMax && bytes > 0) commands.push([[]]);
  return commands;
}

/** Bytes of a policy in its entry. */
export function policyBytes(policy: PolicySettings): number {
  return new TextEncoder().encode(policySettings.write(policy)).length;
}
