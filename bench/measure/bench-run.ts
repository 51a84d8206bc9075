import type { BenchCluster } from "../cluster/cluster.ts";
import type { Report } from "./report.ts";

/** What every bench takes from the command line. */
export interface BenchOptions {
  /** How long each measured stretch is. */
  readonly seconds: number;
  /** Engine nodes, each with one worker, and the journal's shards. */
  readonly nodes: number;
  readonly shards: number;
  /** NATS servers; both one and three unless given. */
  readonly servers: 1 | 3 | undefined;
  /** Faults of each kind, and starts of a node. */
  readonly rounds: number;
  /** Entries of the long journal. */
  readonly entries: number;
  /** To what a cluster is grown: holds that are open at once, and workspaces of five agents each. */
  readonly openHolds: number;
  readonly workspaces: number;
  /** Parts of a bench to run; all when empty. */
  readonly only: readonly string[];
  /** Other gateways to measure beside ours, `NAME=URL`. */
  readonly targets: readonly { readonly name: string; readonly url: string }[];
}

/** What a bench found: the common fields and its own. */
export type BenchRun = Report & Readonly<Record<string, unknown>>;

/** Progress, on standard error. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

export interface Versions {
  readonly nats: string;
  readonly postgres: string;
}

/** Versions of the servers under a cluster. */
export async function versionsOf(cluster: BenchCluster): Promise<Versions> {
  const { default: pg } = await import("pg");
  const client = new pg.Client(cluster.postgresUrl);
  await client.connect();
  const found = await client.query<{ server_version: string }>("SHOW server_version");
  await client.end();
  return {
    nats: cluster.session.nc.info?.version ?? "unknown",
    postgres: found.rows[0]?.server_version ?? "unknown",
  };
}
