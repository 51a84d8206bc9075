import pg from "pg";

/**
 * Postgres did not answer, or not in time. `outcome` is `none` when nothing can have been written;
 * with `unknown` a write may have landed, and whoever wrote reads back before going on.
 */
export class PostgresUnavailable extends Error {
  override readonly name = "PostgresUnavailable";
  readonly code = "postgres-unavailable";
  readonly outcome: "none" | "unknown";

  constructor(message: string, outcome: "none" | "unknown", cause: unknown) {
    super(message, { cause });
    this.outcome = outcome;
  }
}

export interface PoolOptions {
  /** Shown in `pg_stat_activity`. */
  readonly name: string;
  /** Connections at most. */
  readonly max: number;
  /** A statement that takes longer is cancelled, in ms. */
  readonly statementTimeoutMs: number;
}

/** How long a connection may take to come about, in ms; also the wait for a free one of the pool. */
const CONNECT_MS = 2_000;
/** Beyond the server's own timeout, for a server that no longer speaks, in ms. */
const SILENCE_MS = 1_000;

/** A bounded pool. Connections are made when they are needed, so Postgres may be away when it opens. */
export function openPool(url: string, options: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: options.name,
    max: options.max,
    connectionTimeoutMillis: CONNECT_MS,
    idleTimeoutMillis: 30_000,
    statement_timeout: options.statementTimeoutMs,
    query_timeout: options.statementTimeoutMs + SILENCE_MS,
    keepAlive: true,
  });
  // An idle connection that breaks leaves the pool by itself; the next query makes another.
  pool.on("error", () => undefined);
  return pool;
}

/** Errors of the socket that carry no SQLSTATE. */
const SOCKET_CODES: ReadonlySet<string> = new Set([
  "EAI_AGAIN",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT",
]);

/**
 * SQLSTATEs that pass: 08 connection, 40 rolled back for another's sake, 53 out of resources (also a
 * full disk), 55P03 lock timeout, 57 cancelled, shutting down or starting, 58 I/O, 25006 a standby.
 */
const PASSING_STATE = /^(08...|40...|53...|55P03|57...|58...|25006)$/;

/** What the driver itself says when a connection is gone; it gives these no code. */
const DRIVER_TEXT =
  /Connection terminated|timeout exceeded when trying to connect|Query read timeout|not queryable|Client was closed/;

/** True for a fault that goes away with time; false for one of the statement or of its data. */
export function isUnavailable(cause: unknown): boolean {
  if (!(cause instanceof Error)) return false;
  if (cause instanceof AggregateError) return cause.errors.some(isUnavailable);
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : "";
  if (SOCKET_CODES.has(code) || PASSING_STATE.test(code)) return true;
  return DRIVER_TEXT.test(cause.message);
}

/**
 * Runs one statement or transaction, naming what it was for when Postgres is not there.
 * @throws PostgresUnavailable for faults that pass; anything else comes through as it is.
 */
export async function withPostgres<T>(
  doing: string,
  outcome: "none" | "unknown",
  run: () => Promise<T>,
): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (!isUnavailable(cause)) throw cause;
    throw new PostgresUnavailable(
      `Postgres is not available to ${doing} (${reasonOf(cause)})`,
      outcome,
      cause,
    );
  }
}

/** The innermost words of a fault, for one line of a log. */
export function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError && cause.errors.length > 0) return reasonOf(cause.errors[0]);
  return cause instanceof Error ? cause.message : String(cause);
}
