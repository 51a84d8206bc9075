import pg from "pg";

import { PostgresUnavailable, withPostgres } from "../../readmodel/connect.ts";
import { NO_BLOCK_HASH } from "../block.ts";
import type { Batch, Position, ProjectedHead } from "../projector-batch.ts";
import { CopyRows } from "./copy-in.ts";
import { type WriteOutcome, writeBatches } from "./write-batches.ts";

/** A statement of the projection that takes longer is cancelled and tried again, in ms. */
const STATEMENT_MS = 30_000;
/** Beyond the server's own timeout, for a server that no longer speaks, in ms. */
const SILENCE_MS = 5_000;
const CONNECT_MS = 2_000;

/** Where the tables stand in one journal. */
export interface StoredProjection {
  readonly position: Position;
  readonly durable: number;
  /** The head of every workspace of the shard. */
  readonly heads: Map<string, ProjectedHead>;
}

/**
 * The tables as the projector writes them: one connection, one transaction at a time, and commits that
 * do not wait for the disk. (Ones that do took the p99 of a hold beside them from 20 to 80 ms.)
 */
export class ProjectionStore {
  readonly #url: string;
  readonly #era: number;
  readonly #copy = new CopyRows();
  #client: Promise<pg.Client> | undefined;
  /** The end of the last thing asked of the connection: it carries one transaction at a time. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(url: string, era: number) {
    this.#url = url;
    this.#era = era;
  }

  /**
   * Position and heads of a shard; makes the position's row when the shard is new. @throws
   * PostgresUnavailable
   */
  read(shard: number): Promise<StoredProjection> {
    return this.#run("read where its projection stands", async (client) => {
      await client.query(MAKE_POSITION, [shard, this.#era, NO_BLOCK_HASH]);
      await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
      try {
        const stored = await readProjection(client, shard, this.#era);
        await client.query("COMMIT");
        return stored;
      } catch (fault) {
        await client.query("ROLLBACK").catch(() => undefined);
        throw fault;
      }
    });
  }

  /**
   * Position of a shard alone: what became of a transaction whose end was not heard. @throws
   * PostgresUnavailable
   */
  async position(shard: number): Promise<Position | undefined> {
    return this.#run("read where its projection stands", (client) =>
      readPosition(client, shard, this.#era),
    );
  }

  /**
   * Writes batches of different shards in one transaction.
   * @throws PostgresUnavailable when it may or may not have been committed: {@link position} tells.
   * @throws BooksDisagree, or what Postgres says about the data: nothing was written.
   */
  write(batches: readonly Batch[]): Promise<WriteOutcome> {
    return this.#run("write the projection", (client) =>
      writeBatches(client, this.#era, batches, this.#copy),
    );
  }

  /**
   * Makes everything committed so far durable, and says so in the positions of the shards. The log is
   * written in order, so one commit that waits for the disk takes all earlier ones with it.
   * @returns the positions of the shards that are durable now: after a crash of Postgres they may be
   * less than was written.
   * @throws PostgresUnavailable
   */
  makeDurable(shards: readonly number[]): Promise<ReadonlyMap<number, number>> {
    return this.#run("make the projection durable", async (client) => {
      await client.query("BEGIN; SET LOCAL synchronous_commit = on");
      try {
        await client.query({
          name: "make-durable",
          text: `UPDATE projector_positions SET durable_stream_seq = stream_seq
            WHERE era = $1 AND shard = ANY($2::int[]) AND durable_stream_seq < stream_seq`,
          values: [this.#era, shards],
        });
        const durable = await client.query<{ shard: number; durable_stream_seq: string }>({
          name: "durable-positions",
          text: `SELECT shard, durable_stream_seq FROM projector_positions
            WHERE era = $1 AND shard = ANY($2::int[])`,
          values: [this.#era, shards],
        });
        await client.query("COMMIT");
        return new Map(durable.rows.map((row) => [row.shard, Number(row.durable_stream_seq)]));
      } catch (fault) {
        await client.query("ROLLBACK").catch(() => undefined);
        throw fault;
      }
    });
  }

  /**
   * Whether this Postgres writes to disk at all. With `fsync` off, durable means nothing. @throws
   * PostgresUnavailable
   */
  async syncs(): Promise<boolean> {
    return this.#run("ask whether it syncs", async (client) => {
      const setting = await client.query<{ fsync: string }>("SHOW fsync");
      return setting.rows[0]?.fsync !== "off";
    });
  }

  /** Ends the connection after what is under way. */
  async close(): Promise<void> {
    await this.#turn;
    const client = this.#client;
    this.#client = undefined;
    await client?.then((open) => open.end()).catch(() => undefined);
  }

  #run<T>(doing: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
    const turn = this.#turn.then(async () => {
      try {
        return await withPostgres(doing, "unknown", async () => work(await this.#connected()));
      } catch (fault) {
        if (fault instanceof PostgresUnavailable) this.#drop();
        throw fault;
      }
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** Gives up a connection, also one on which a statement is still unanswered. */
  #drop(): void {
    const client = this.#client;
    this.#client = undefined;
    client?.then((open) => open.end()).catch(() => undefined);
  }

  #connected(): Promise<pg.Client> {
    this.#client ??= this.#connect();
    return this.#client;
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: this.#url,
      application_name: "tarmac projector",
      connectionTimeoutMillis: CONNECT_MS,
      statement_timeout: STATEMENT_MS,
      query_timeout: STATEMENT_MS + SILENCE_MS,
      keepAlive: true,
    });
    // The statement under way fails with the connection; the next one makes a new connection.
    const forget = () => {
      this.#client = undefined;
    };
    client.on("error", forget);
    client.on("end", forget);
    try {
      await client.connect();
      await client.query("SET synchronous_commit = off");
      return client;
    } catch (fault) {
      this.#client = undefined;
      await client.end().catch(() => undefined);
      throw fault;
    }
  }
}

const MAKE_POSITION = `
  INSERT INTO projector_positions (shard, era, stream_seq, block_hash, epoch, durable_stream_seq)
    VALUES ($1, $2, 0, $3, 0, 0) ON CONFLICT DO NOTHING`;

interface PositionRow {
  readonly stream_seq: string;
  readonly block_hash: string;
  readonly epoch: string;
  readonly durable_stream_seq: string;
}

async function readPositionRow(
  client: pg.Client,
  shard: number,
  era: number,
): Promise<PositionRow | undefined> {
  const found = await client.query<PositionRow>(
    `SELECT stream_seq, block_hash, epoch, durable_stream_seq FROM projector_positions
      WHERE shard = $1 AND era = $2`,
    [shard, era],
  );
  return found.rows[0];
}

function positionOf(row: PositionRow): Position {
  return {
    streamSeq: Number(row.stream_seq),
    blockHash: row.block_hash,
    epoch: BigInt(row.epoch),
  };
}

async function readPosition(
  client: pg.Client,
  shard: number,
  era: number,
): Promise<Position | undefined> {
  const row = await readPositionRow(client, shard, era);
  return row === undefined ? undefined : positionOf(row);
}

async function readProjection(
  client: pg.Client,
  shard: number,
  era: number,
): Promise<StoredProjection> {
  const row = await readPositionRow(client, shard, era);
  if (row === undefined)
    throw new Error(`the position of shard ${shard} was made and is not there`);
  const heads = await client.query<{
    ws: string;
    seq: string;
    hash: string;
    epoch: string;
    at: Date;
  }>("SELECT ws, seq, hash, epoch, at FROM workspaces WHERE shard = $1", [shard]);
  return {
    position: positionOf(row),
    durable: Number(row.durable_stream_seq),
    heads: new Map(
      heads.rows.map(({ ws, seq, hash, epoch, at }) => [
        ws,
        { seq: BigInt(seq), hash, epoch: BigInt(epoch), at: at.toISOString() },
      ]),
    ),
  };
}
