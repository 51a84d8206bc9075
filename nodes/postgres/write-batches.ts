/**
 * One transaction of the projection: positions move by compare-and-set, and everything between the old
 * and the new one is written with them or not at all.
 */
import type pg from "pg";

import type { Batch, ReceiptDelta } from "../projector-batch.ts";
import { binaryArray, type ElementOf, type ElementType } from "./binary.ts";
import { applyConfiguration } from "./configuration.ts";
import { type CopyRows, copyIn } from "./copy-in.ts";

/** What the tables say contradicts what the journal says. Nothing was written. */
export class BooksDisagree extends Error {
  override readonly name = "BooksDisagree";
  readonly code = "books-disagree";
  readonly outcome = "none";
}

/** `overtaken`: another projector has moved these shards, and nothing was written. */
export type WriteOutcome =
  | { readonly kind: "written" }
  | { readonly kind: "overtaken"; readonly shards: readonly number[] };

/**
 * Writes batches of different shards in one transaction.
 * @param copy room for the rows of `entries`, used again and again.
 * @throws BooksDisagree when a workspace's head in the tables is not where its batch begins; and what
 * the driver says, also when it is unknown whether the transaction was committed: the positions tell.
 */
export async function writeBatches(
  client: pg.Client,
  era: number,
  batches: readonly Batch[],
  copy: CopyRows,
): Promise<WriteOutcome> {
  await client.query("BEGIN");
  try {
    const moved = new Set(await movePositions(client, era, batches));
    if (moved.size < batches.length) {
      await client.query("ROLLBACK");
      const shards = batches.map((batch) => batch.shard).filter((shard) => !moved.has(shard));
      return { kind: "overtaken", shards };
    }
    const filled = batches.filter((batch) => batch.rows.length > 0);
    if (filled.length > 0) {
      fillEntries(copy, era, filled);
      await copyIn(client, COPY_ENTRIES, copy);
      await addReceipts(client, filled);
      await putBalances(client, filled);
      await putWorkspaces(client, filled);
      for (const batch of filled) await applyConfiguration(client, batch.configuration);
    }
    await client.query("COMMIT");
    return { kind: "written" };
  } catch (fault) {
    // On a broken connection there is nothing to roll back, and the fault itself says more.
    await client.query("ROLLBACK").catch(() => undefined);
    throw fault;
  }
}

async function movePositions(
  client: pg.Client,
  era: number,
  batches: readonly Batch[],
): Promise<readonly number[]> {
  const moved = await client.query<{ shard: number }>({
    name: "move-positions",
    text: `
      UPDATE projector_positions AS p
        SET stream_seq = n.to_seq, block_hash = n.to_hash, epoch = n.to_epoch
        FROM unnest($2::int[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::bigint[])
          AS n(shard, from_seq, from_hash, to_seq, to_hash, to_epoch)
        WHERE p.shard = n.shard AND p.era = $1
          AND p.stream_seq = n.from_seq AND p.block_hash = n.from_hash
        RETURNING p.shard`,
    values: [
      era,
      batches.map((batch) => batch.shard),
      batches.map((batch) => batch.from.streamSeq),
      batches.map((batch) => batch.from.blockHash),
      batches.map((batch) => batch.to.streamSeq),
      batches.map((batch) => batch.to.blockHash),
      batches.map((batch) => String(batch.to.epoch)),
    ],
  });
  return moved.rows.map((row) => row.shard);
}

const COPY_ENTRIES = `COPY entries (ws, seq, kind, at, epoch, authorization_id, agent, run,
  idempotency, line, hash, shard, era, stream_seq) FROM STDIN (FORMAT binary)`;
const ENTRY_COLUMNS = 14;

function fillEntries(rows: CopyRows, era: number, batches: readonly Batch[]): void {
  rows.begin();
  for (const { shard, rows: entries } of batches) {
    for (const entry of entries) {
      rows.row(ENTRY_COLUMNS);
      rows.text(entry.ws);
      rows.bigint(BigInt(entry.seq));
      rows.text(entry.kind);
      rows.timestamp(Date.parse(entry.at));
      rows.bigint(BigInt(entry.epoch));
      rows.optionalText(entry.authorization);
      rows.optionalText(entry.agent);
      rows.optionalText(storable(entry.run));
      rows.optionalText(entry.idempotency);
      rows.text(entry.line);
      rows.hex(entry.hash);
      rows.integer(shard);
      rows.integer(era);
      rows.bigint(BigInt(entry.streamSeq));
    }
  }
  rows.finish();
}

/**
 * Postgres has no text with a NUL in it, and a client may send one: it is shown as U+FFFD. (In the line
 * itself it stands escaped.)
 */
function storable(text: string | undefined): string | undefined {
  return text?.includes("\0") === true ? text.replaceAll("\0", "\uFFFD") : text;
}

/** A column of a receipt: its name, and its values for the rows of a statement. */
type ReceiptColumn = readonly [
  name: string,
  type: ElementType,
  values: (deltas: readonly ReceiptDelta[]) => Buffer,
];

function column<T extends ElementType>(
  name: string,
  type: T,
  value: (delta: ReceiptDelta) => ElementOf<T> | undefined,
): ReceiptColumn {
  return [name, type, (deltas) => binaryArray(type, deltas.map(value))];
}

const RECEIPT_COLUMNS: readonly ReceiptColumn[] = [
  column("ws", "text", (delta) => delta.ws),
  column("authorization_id", "text", (delta) => delta.authorization),
  column("state", "text", (delta) => delta.state ?? "open"),
  column("outcome", "text", ({ opening }) => opening?.outcome),
  column("rule", "text", ({ opening }) => opening?.rule),
  column("reason", "text", ({ opening }) => opening?.reason),
  column("agent", "text", ({ opening }) => opening?.agent),
  column("run", "text", ({ opening }) => storable(opening?.run)),
  column("key_id", "text", ({ opening }) => opening?.key),
  column("tool", "text", ({ opening }) => storable(opening?.tool)),
  column("priority", "text", ({ opening }) => opening?.priority),
  column("model", "text", ({ opening }) => storable(opening?.model)),
  column("granted_model", "text", ({ opening }) => storable(opening?.grantedModel)),
  column("provider", "text", ({ opening }) => storable(opening?.provider)),
  column("tier", "text", ({ opening }) => opening?.tier),
  column("held_nano", "bigint", ({ opening }) => opening?.held ?? 0n),
  column("open_nano", "bigint", (delta) => delta.open),
  column("settled_nano", "bigint", (delta) => delta.settled),
  column("released_nano", "bigint", (delta) => delta.released),
  column("overage_nano", "bigint", (delta) => delta.overage),
  column("assumed", "boolean", (delta) => delta.assumed ?? false),
  column("late", "boolean", (delta) => delta.late),
  column("opened_seq", "bigint", ({ opening }) => opening?.seq),
  column("closed_seq", "bigint", (delta) => delta.closedSeq),
  column("last_seq", "bigint", (delta) => delta.lastSeq),
  column("at", "timestamptz", (delta) => delta.firstAt),
  column("closed_at", "timestamptz", (delta) => delta.closedAt),
];

const RECEIPT_NAMES = RECEIPT_COLUMNS.map(([name]) => name).join(", ");
const RECEIPT_ARRAYS = RECEIPT_COLUMNS.map(([, type], i) => `$${i + 1}::${type}[]`).join(", ");

/**
 * An authorization's first entry inserts its receipt, and every later one adds to it: amounts are sums,
 * and where it stands is what the last entry that closed it says.
 */
const ADD_RECEIPTS = `
  INSERT INTO receipts AS r (${RECEIPT_NAMES})
    SELECT * FROM unnest(${RECEIPT_ARRAYS})
  ON CONFLICT (authorization_id, ws) DO UPDATE SET
    state = CASE WHEN excluded.closed_seq IS NULL THEN r.state ELSE excluded.state END,
    assumed = CASE WHEN excluded.closed_seq IS NULL THEN r.assumed ELSE excluded.assumed END,
    late = r.late OR excluded.late,
    open_nano = r.open_nano + excluded.open_nano,
    settled_nano = r.settled_nano + excluded.settled_nano,
    released_nano = r.released_nano + excluded.released_nano,
    overage_nano = r.overage_nano + excluded.overage_nano,
    closed_seq = COALESCE(excluded.closed_seq, r.closed_seq),
    closed_at = COALESCE(excluded.closed_at, r.closed_at),
    last_seq = excluded.last_seq`;

async function addReceipts(client: pg.Client, batches: readonly Batch[]): Promise<void> {
  const deltas = batches.flatMap((batch) => [...batch.receipts.values()]);
  if (deltas.length === 0) return;
  const values = RECEIPT_COLUMNS.map(([, , valuesOf]) => valuesOf(deltas));
  await client.query({ name: "add-receipts", text: ADD_RECEIPTS, values });
}

/** Only a decision says what limits a counter, so without one the limit that stands there stays. */
const PUT_BALANCES = `
  INSERT INTO balances AS b (ws, cap, period, settled_nano, held_nano, limit_nano, pace, seq, at)
    SELECT n.ws, n.cap, n.period, n.settled, n.held,
        CASE WHEN n.decided THEN n.limit_nano ELSE o.limit_nano END,
        CASE WHEN n.decided THEN n.pace ELSE o.pace END,
        n.seq, n.at
      FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::boolean[],
        $7::bigint[], $8::bigint[], $9::bigint[], $10::timestamptz[])
        AS n(ws, cap, period, settled, held, decided, limit_nano, pace, seq, at)
      LEFT JOIN balances o ON o.ws = n.ws AND o.cap = n.cap AND o.period = n.period
  ON CONFLICT (ws, cap, period) DO UPDATE SET
    settled_nano = excluded.settled_nano, held_nano = excluded.held_nano,
    limit_nano = excluded.limit_nano, pace = excluded.pace, seq = excluded.seq, at = excluded.at`;

/** A pace has no bound (a cap may be a nano-dollar), and a BIGINT has one: beyond it, more is as much. */
const PACE_MAX = 2n ** 63n - 1n;

function storablePace(pace: string | undefined): bigint | undefined {
  const exact = optionalBigint(pace);
  return exact === undefined || exact <= PACE_MAX ? exact : PACE_MAX;
}

function optionalBigint(text: string | undefined): bigint | undefined {
  return text === undefined ? undefined : BigInt(text);
}

async function putBalances(client: pg.Client, batches: readonly Batch[]): Promise<void> {
  const rows = batches.flatMap((batch) => [...batch.balances.values()]);
  if (rows.length === 0) return;
  await client.query({
    name: "put-balances",
    text: PUT_BALANCES,
    values: [
      binaryArray(
        "text",
        rows.map((row) => row.ws),
      ),
      binaryArray(
        "text",
        rows.map((row) => row.cap),
      ),
      binaryArray(
        "text",
        rows.map((row) => storable(row.period)),
      ),
      binaryArray(
        "bigint",
        rows.map((row) => BigInt(row.settled)),
      ),
      binaryArray(
        "bigint",
        rows.map((row) => BigInt(row.held)),
      ),
      binaryArray(
        "boolean",
        rows.map((row) => row.limitKnown),
      ),
      binaryArray(
        "bigint",
        rows.map((row) => optionalBigint(row.limit)),
      ),
      binaryArray(
        "bigint",
        rows.map((row) => storablePace(row.pace)),
      ),
      binaryArray(
        "bigint",
        rows.map((row) => BigInt(row.seq)),
      ),
      binaryArray(
        "timestamptz",
        rows.map((row) => row.at),
      ),
    ],
  });
}

const PUT_WORKSPACES = `
  INSERT INTO workspaces AS w (ws, shard, seq, hash, epoch, at)
    SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::text[], $5::bigint[],
      $6::timestamptz[])
  ON CONFLICT (ws) DO UPDATE SET
    seq = excluded.seq, hash = excluded.hash, epoch = excluded.epoch, at = excluded.at
    WHERE w.shard = excluded.shard AND w.seq < excluded.seq
  RETURNING ws`;

async function putWorkspaces(client: pg.Client, batches: readonly Batch[]): Promise<void> {
  const rows = batches.flatMap(({ shard, heads }) =>
    Array.from(heads, ([ws, head]) => ({ ws, shard, head })),
  );
  const put = await client.query<{ ws: string }>({
    name: "put-workspaces",
    text: PUT_WORKSPACES,
    values: [
      rows.map((row) => row.ws),
      rows.map((row) => row.shard),
      rows.map((row) => String(row.head.seq)),
      rows.map((row) => row.head.hash),
      rows.map((row) => String(row.head.epoch)),
      rows.map((row) => row.head.at),
    ],
  });
  if (put.rows.length === rows.length) return;
  const done = new Set(put.rows.map((row) => row.ws));
  const left = rows.filter((row) => !done.has(row.ws)).map((row) => row.ws);
  throw new BooksDisagree(
    `the table "workspaces" already has later entries, or another shard, for ${left.join(", ")}`,
  );
}
