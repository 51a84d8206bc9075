/**
 * A block: one message of a journal, all of whose entries land or none. Lines end with `\n`: first a
 * header, then one canonical entry a line, of any workspace of the shard. The bytes of an entry's line
 * are the bytes that are hashed, exported and proved; nothing here re-serialises them.
 */
import { hash } from "node:crypto";

import { assert } from "../ledger/assert.ts";
import { decimal, type Infer, integer, object, parseJson, text, token } from "../ledger/schema.ts";

/** Version of the block format: field `v` of every header. */
export const BLOCK_VERSION = 1;
/** Largest block in bytes, header included; the streams' `max_msg_size` is above it. */
export const BLOCK_BYTES_MAX = 256 * 1024;
/** Room that a header line needs at most, in bytes. */
export const HEADER_BYTES_MAX = 512;
/** `prev` of the first block of a journal. */
export const NO_BLOCK_HASH = "0".repeat(64);

const blockHeader = object({
  /** How many entry lines follow. 0: the block only proves that its owner may still write. */
  count: integer(0, 1_000_000),
  /** The claim under which it was written. */
  epoch: decimal(1n),
  era: integer(1, 1_000_000),
  /** Number of the block in its term, from 1: makes the bytes of two empty blocks differ. */
  number: integer(1, Number.MAX_SAFE_INTEGER),
  /** The worker that wrote it. */
  owner: text(128),
  /** SHA-256 of the preceding block's bytes, hex; 64 zeros for the first. Claims are not in this chain. */
  prev: token(/^[0-9a-f]{64}$/, "a hex SHA-256"),
  shard: integer(0, 1_023),
  v: integer(BLOCK_VERSION, BLOCK_VERSION),
});

export type BlockHeader = Omit<Infer<typeof blockHeader>, "count" | "v">;

/** A block as it was read back. */
export interface Block {
  readonly header: BlockHeader;
  /** Canonical entries, in order. */
  readonly lines: readonly string[];
}

/** A block ready to be appended. */
export interface SealedBlock {
  readonly bytes: Uint8Array;
  /** SHA-256 of the bytes, hex. */
  readonly hash: string;
}

/** SHA-256 of a block's bytes, hex: what the next block names as `prev`. */
export function blockHash(bytes: Uint8Array): string {
  return hash("sha256", bytes);
}

/**
 * Writes a block.
 * @throws InvariantError when it exceeds {@link BLOCK_BYTES_MAX}: who collects the lines counts bytes.
 */
export function encodeBlock(header: BlockHeader, lines: readonly string[]): SealedBlock {
  const head = blockHeader.write({ ...header, count: lines.length, v: BLOCK_VERSION });
  const body = lines.length === 0 ? `${head}\n` : `${head}\n${lines.join("\n")}\n`;
  const bytes = Buffer.from(body, "utf8");
  assert(bytes.length <= BLOCK_BYTES_MAX, `a block has ${bytes.length} bytes`);
  return { bytes, hash: blockHash(bytes) };
}

/**
 * Reads a block that the journal gave back.
 * @throws InvariantError when it is not one: the journal holds what no owner wrote.
 */
export function decodeBlock(bytes: Uint8Array): Block {
  const lines = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    .toString("utf8")
    .split("\n");
  assert(lines.pop() === "", "a block does not end with a line end");
  const head = lines.shift();
  assert(head !== undefined, "a block is empty");
  const parsed = parseJson(blockHeader, head);
  assert(
    parsed.ok,
    `a block header cannot be read: ${parsed.ok ? "" : parsed.problems.join("; ")}`,
  );
  const { count, v: _version, ...header } = parsed.value;
  assert(count === lines.length, `a block of ${count} entries has ${lines.length} lines`);
  return { header, lines };
}
