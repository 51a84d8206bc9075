/** What the console asks of the projection besides receipts and proofs: pages, counts, live entries. */
import type pg from "pg";

import { parseJson } from "../ledger/schema.ts";
import { type WorkspaceSettings, workspaceSettings } from "../ledger/workspace-config.ts";
import { type ActivityRow, readActivity } from "./agent-activity.ts";
import { openPool, withPostgres } from "./connect.ts";
import { type DecisionFilter, type DecisionLines, readDecisions } from "./decisions.ts";
import { readHead } from "./one-snapshot.ts";
import { type OverviewRow, type OverviewWindow, readOverview } from "./overview.ts";

/** A workspace with its settings; `undefined` settings before its first commit. */
export interface KnownWorkspace {
  readonly ws: string;
  readonly settings: WorkspaceSettings | undefined;
}

/** Where something that people have a name for is found. */
export type Found =
  | { readonly kind: "agent"; readonly ws: string; readonly agent: string }
  | { readonly kind: "run"; readonly ws: string; readonly authorization: string };

/** Every method throws PostgresUnavailable when it is not there. */
export interface ConsoleReads {
  /** By name. */
  workspaces(): Promise<readonly KnownWorkspace[]>;
  /** Sequence of the last entry; `undefined` for a workspace without one. */
  head(ws: string): Promise<bigint | undefined>;
  /** Entries from `from` to `to`, both included, as far as there are any. */
  lines(
    ws: string,
    from: bigint,
    to: bigint,
  ): Promise<readonly { readonly seq: bigint; readonly line: string }[]>;
  decisions(ws: string, filter: DecisionFilter): Promise<DecisionLines>;
  overview(ws: string, window: OverviewWindow): Promise<OverviewRow | undefined>;
  activity(
    ws: string,
    since: Date,
    periods: { readonly month: string; readonly year: string },
  ): Promise<ActivityRow>;
  /** An agent by its name, or a run by its id through its latest call, in one of the workspaces. */
  find(name: string, workspaces: readonly string[]): Promise<Found | undefined>;
  close(): Promise<void>;
}

/** A page of the console waits for it: longer is a fault. ms */
const STATEMENT_MS = 10_000;
const CONNECTIONS_MAX = 6;
/** A run is looked for among so many entries of a workspace, the latest. */
const RUN_WITHIN = 300_000n;

/** Opens it in a database; Postgres may be away until something is read. */
export function openConsoleReads(postgresUrl: string): ConsoleReads {
  const pool = openPool(postgresUrl, {
    name: "tarmac console",
    max: CONNECTIONS_MAX,
    statementTimeoutMs: STATEMENT_MS,
  });
  const reading = <T>(what: string, run: () => Promise<T>) =>
    withPostgres(`read ${what}`, "none", run);
  return {
    workspaces: () => reading("the workspaces", () => readWorkspaces(pool)),
    head: (ws) => reading("a head", async () => (await readHead(pool, ws))?.seq),
    lines: (ws, from, to) => reading("entries", () => readLines(pool, ws, from, to)),
    decisions: (ws, filter) => reading("decisions", () => readDecisions(pool, ws, filter)),
    overview: (ws, window) => reading("an overview", () => readOverview(pool, ws, window)),
    activity: (ws, since, periods) =>
      reading("agents", () => readActivity(pool, ws, since, periods)),
    find: (name, workspaces) => reading("names", () => find(pool, name, workspaces)),
    close: () => pool.end(),
  };
}

async function readWorkspaces(pool: pg.Pool): Promise<readonly KnownWorkspace[]> {
  const found = await pool.query<{ ws: string; value: string | null }>(
    `SELECT w.ws, c.value FROM workspaces w
       LEFT JOIN config_items c ON c.ws = w.ws AND c.item = 'workspace' AND c.id = w.ws
      ORDER BY w.ws`,
  );
  return found.rows.map(({ value, ws }) => {
    const parsed = value === null ? undefined : parseJson(workspaceSettings, value);
    return { ws, settings: parsed?.ok === true ? parsed.value : undefined };
  });
}

async function readLines(pool: pg.Pool, ws: string, from: bigint, to: bigint) {
  const found = await pool.query<{ seq: string; line: Buffer }>({
    name: "console-lines",
    text: "SELECT seq, line FROM entries WHERE ws = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq",
    values: [ws, String(from), String(to)],
  });
  return found.rows.map(({ line, seq }) => ({ seq: BigInt(seq), line: line.toString("utf8") }));
}

async function find(
  pool: pg.Pool,
  name: string,
  workspaces: readonly string[],
): Promise<Found | undefined> {
  const agents = await pool.query<{ ws: string }>(
    `SELECT ws FROM config_items
      WHERE ws = ANY($1::text[]) AND item = 'agent' AND id = $2 ORDER BY ws LIMIT 1`,
    [workspaces, name],
  );
  const [agent] = agents.rows;
  if (agent !== undefined) return { kind: "agent", ws: agent.ws, agent: name };
  const runs = await pool.query<{ ws: string; authorization_id: string }>(
    `SELECT r.ws, r.authorization_id FROM workspaces w
       JOIN LATERAL (SELECT ws, authorization_id, at FROM receipts
                      WHERE ws = w.ws AND opened_seq > w.seq - $3 AND run = $2
                      ORDER BY opened_seq DESC LIMIT 1) r ON true
      WHERE w.ws = ANY($1::text[]) ORDER BY r.at DESC LIMIT 1`,
    [workspaces, name, String(RUN_WITHIN)],
  );
  const [run] = runs.rows;
  if (run === undefined) return undefined;
  return { kind: "run", ws: run.ws, authorization: run.authorization_id };
}
