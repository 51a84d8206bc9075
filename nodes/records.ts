import { openPool, withPostgres } from "../readmodel/connect.ts";
import type { RecordStore } from "./ports.ts";

export interface PostgresRecords extends RecordStore {
  close(): Promise<void>;
}

/** A settle waits for the answer, and its command with it: better none than a late one. ms */
const STATEMENT_MS = 1_000;
const CONNECTIONS_MAX = 4;

/**
 * Opens the projection for owners that look up what memory has forgotten. Methods throw
 * PostgresUnavailable.
 */
export function openRecords(postgresUrl: string): PostgresRecords {
  const pool = openPool(postgresUrl, {
    name: "tarmac records",
    max: CONNECTIONS_MAX,
    statementTimeoutMs: STATEMENT_MS,
  });
  return {
    entriesOf: (ws, authorization) =>
      withPostgres("look up an authorization", "none", async () => {
        const found = await pool.query<{ line: Buffer }>({
          name: "entries-of",
          text: "SELECT line FROM entries WHERE ws = $1 AND authorization_id = $2 ORDER BY seq",
          values: [ws, authorization],
        });
        return found.rows.map((row) => row.line.toString("utf8"));
      }),
    byIdempotency: (ws, idempotency) =>
      withPostgres("look up an idempotency key", "none", async () => {
        // The last one: memory forgets a key with its id, and a later call may have used it again.
        const found = await pool.query<{ authorization_id: string }>({
          name: "by-idempotency",
          text: `SELECT authorization_id FROM entries WHERE ws = $1 AND idempotency = $2
            ORDER BY seq DESC LIMIT 1`,
          values: [ws, idempotency],
        });
        return found.rows[0]?.authorization_id;
      }),
    durablePosition: (shard, era) =>
      withPostgres("read how far it is durable", "none", async () => {
        const found = await pool.query<{ durable_stream_seq: string }>({
          name: "durable-position",
          text: "SELECT durable_stream_seq FROM projector_positions WHERE shard = $1 AND era = $2",
          values: [shard, era],
        });
        return Number(found.rows[0]?.durable_stream_seq ?? 0);
      }),
    close: () => pool.end(),
  };
}
