/**
 * The streams and buckets Tarmac keeps in JetStream, and the proof that the server keeps them as
 * written: an old server drops fields it does not know without an error, so each is read back.
 */
import { setTimeout as sleep } from "node:timers/promises";
import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from "@nats-io/jetstream";
import { type NatsConnection, PermissionViolationError } from "@nats-io/nats-core";

import { BusUnreachable } from "./connect.ts";
import {
  blockSubject,
  bucketStream,
  bucketSubject,
  CONFIG_BUCKET,
  EVENTS_STREAM,
  EVENTS_SUBJECTS,
  fenceSubject,
  journalStream,
  LEASES_BUCKET,
  MEMBERS_BUCKET,
} from "./subjects.ts";

/** A stream is missing, or is not what Tarmac needs it to be. Nothing was changed. */
export class StreamRefused extends Error {
  override readonly name = "StreamRefused";
  readonly code = "stream-refused";
  readonly outcome = "none";
}

type Config = Partial<StreamConfig> & { readonly name: string };

/** Room above the largest block for headers, in bytes. */
const MESSAGE_BYTES_MAX = 256 * 1024 + 4_096;
/** All journals of a cluster together reserve at most this much of the server's 1 TB, in bytes. */
const JOURNALS_BYTES_MAX = 768 * 1024 ** 3;
const JOURNAL_BYTES_MAX = 32 * 1024 ** 3;
const NANOS_PER_MS = 1_000_000;
/** The server remembers message ids for so long; nothing relies on it but its own retransmissions. */
const DUPLICATE_WINDOW_MS = 120_000;
const EVENTS_AGE_MS = 3_600_000;
const EVENTS_BYTES_MAX = 128 * 1024 ** 2;
/** A watcher of a bucket learns that a key ran out from a marker, which is kept for so long. */
const MARKER_MS = 60_000;
/** In a stream's metadata: into how many shards workspaces were hashed when it was made. */
const SHARDS_KEY = "tarmac-shards";

export interface JournalPlan {
  readonly shards: number;
  readonly era: number;
  /** 1 on a single server, 3 in a cluster. */
  readonly replicas: number;
}

/** Pause between two tries while JetStream of a cluster cannot be asked, in ms. */
const UNREADY_MS = 250;
/**
 * Errors of JetStream's API that pass by themselves: no leader yet (10008, 10009), or too few servers that
 * the leader has heard of (10004, 10005). From errors.json of nats-server 2.15.
 */
const PASSING: ReadonlySet<number> = new Set([10_004, 10_005, 10_008, 10_009]);

/**
 * Runs `prepare` again and again while a cluster has no leader to take it, as in its first seconds; all
 * that is prepared here may be prepared twice.
 * @throws what it throws on a single server, or for a reason that does not pass by itself.
 */
export async function onceClusterLeads<T>(
  nc: NatsConnection,
  prepare: () => Promise<T>,
  waiting: (reason: string) => void,
): Promise<T> {
  let told = "";
  let clustered = false;
  for (;;) {
    try {
      return await prepare();
    } catch (error) {
      clustered ||= nc.info?.cluster !== undefined;
      const mayPass = clustered || nc.info === undefined;
      if (!mayPass || nc.isClosed() || !isPassing(error)) throw error;
      if (error.message !== told) waiting(error.message);
      told = error.message;
      await sleep(UNREADY_MS);
    }
  }
}

function isPassing(error: unknown): error is Error {
  if (error instanceof JetStreamApiError) return PASSING.has(error.code);
  if (!(error instanceof Error) || error.cause instanceof PermissionViolationError) return false;
  // The connection is away, or nobody hears JetStream's subjects: both come with an election.
  return /^(BusUnreachable|JetStreamNotEnabled|TimeoutError|RequestError|NoResponders|ConnectionError)$/.test(
    error.name,
  );
}

/**
 * One copy on a single server; three in a cluster.
 * @throws BusUnreachable while the connection is away: a server that does not answer has no answer to it.
 */
export function replicasFor(nc: NatsConnection): number {
  if (nc.info === undefined) throw new BusUnreachable("the connection to NATS is away");
  return nc.info.cluster === undefined ? 1 : 3;
}

/**
 * The journal of one shard. Nothing may delete, purge, roll up, age out or overwrite a message, and a
 * full journal refuses the newest block, never drops the oldest.
 */
export function journalConfig(shard: number, plan: JournalPlan): Config {
  return {
    name: journalStream(shard, plan.era),
    subjects: [blockSubject(shard, plan.era), fenceSubject(shard, plan.era)],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    // The projector reads many blocks at a time, from any copy; owners read through the leader.
    allow_direct: true,
    deny_delete: true,
    deny_purge: true,
    allow_rollup_hdrs: false,
    allow_msg_ttl: false,
    allow_msg_schedules: false,
    allow_atomic: false,
    sealed: false,
    max_age: 0,
    max_msgs: -1,
    max_msgs_per_subject: -1,
    max_bytes: Math.min(JOURNAL_BYTES_MAX, Math.floor(JOURNALS_BYTES_MAX / plan.shards)),
    max_msg_size: MESSAGE_BYTES_MAX,
    duplicate_window: DUPLICATE_WINDOW_MS * NANOS_PER_MS,
    num_replicas: plan.replicas,
    metadata: { [SHARDS_KEY]: String(plan.shards) },
  };
}

/** Entries as they can be looked up, for who watches live. Losable: readers fill gaps from Postgres. */
function eventsConfig(replicas: number): Config {
  return {
    name: EVENTS_STREAM,
    subjects: [EVENTS_SUBJECTS],
    retention: RetentionPolicy.Limits,
    storage: StorageType.Memory,
    discard: DiscardPolicy.Old,
    max_age: EVENTS_AGE_MS * NANOS_PER_MS,
    max_bytes: EVENTS_BYTES_MAX,
    num_replicas: replicas,
  };
}

/** A bucket in the layout that NATS key-value clients expect. */
function bucketConfig(bucket: string, replicas: number): Config {
  return {
    name: bucketStream(bucket),
    subjects: [bucketSubject(bucket, ">")],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    max_msgs_per_subject: 1,
    allow_rollup_hdrs: true,
    allow_direct: true,
    deny_delete: true,
    allow_msg_ttl: true,
    subject_delete_marker_ttl: MARKER_MS * NANOS_PER_MS,
    num_replicas: replicas,
  };
}

/** Fields that the server may hold larger than asked, because an operator enlarged them by hand. */
const MAY_BE_LARGER: ReadonlySet<string> = new Set(["max_bytes"]);

/** Every field that did not read back as it was set: `field: is … where … was set`. */
export function differences(wanted: Config, found: Partial<StreamConfig>): string[] {
  const problems: string[] = [];
  for (const [field, value] of Object.entries(wanted)) {
    const actual = (found as Record<string, unknown>)[field];
    if (field === "metadata") continue;
    if (JSON.stringify(actual ?? neutral(value)) === JSON.stringify(value)) continue;
    if (MAY_BE_LARGER.has(field) && (actual === -1 || Number(actual) > Number(value))) continue;
    problems.push(`${field}: is ${JSON.stringify(actual)} where ${JSON.stringify(value)} was set`);
  }
  return problems;
}

/** The server leaves out what is off; anything else that it leaves out was dropped. */
function neutral(value: unknown): unknown {
  return value === false || value === 0 ? value : undefined;
}

/**
 * Finds the journal of every shard as it must be; makes the missing ones when `init` says so.
 * @throws StreamRefused naming every stream that is missing, differs, or was made for another number
 * of shards. After a fault midway some of the streams may exist; another run finds or makes the rest.
 */
export async function ensureJournals(
  nc: NatsConnection,
  plan: JournalPlan,
  init: boolean,
): Promise<void> {
  const jsm = await jetstreamManager(nc);
  const wanted = Array.from({ length: plan.shards }, (_, shard) => journalConfig(shard, plan));
  const found = await Promise.all(wanted.map((config) => readConfig(jsm, config.name)));
  const missing = wanted.filter((_, shard) => found[shard] === undefined);
  const problems = wanted.flatMap((config, shard) => journalProblems(config, plan, found[shard]));
  // A journal beyond the last shard belongs to a cluster of more shards than this node is set to.
  if ((await readConfig(jsm, journalStream(plan.shards, plan.era))) !== undefined) {
    problems.push(
      `${journalStream(plan.shards, plan.era)} exists, so this journal has more than ${plan.shards} shards: set TARMAC_SHARDS to what it was made with`,
    );
  }
  if (missing.length > 0 && !init && problems.length === 0) {
    problems.push(
      `${missing.map((config) => config.name).join(", ")} does not exist on this NATS server: check TARMAC_NATS_URL, or start once with --init to create a new, empty journal`,
    );
  }
  if (problems.length > 0) throw new StreamRefused(problems.join("\n"));
  for (const config of missing) {
    const info = await jsm.streams.add(config);
    refuseDifferences(config, info.config);
  }
}

function journalProblems(
  config: Config,
  plan: JournalPlan,
  found: StreamConfig | undefined,
): string[] {
  if (found === undefined) return [];
  const shards = found.metadata?.[SHARDS_KEY];
  if (shards !== String(plan.shards)) {
    return [
      `${config.name} was made for ${shards ?? "an unknown number of"} shards and this node is set to ${plan.shards}: set TARMAC_SHARDS to what the journal was made with, for another number would open second, empty workspaces`,
    ];
  }
  return differences(config, found).map((problem) => `${config.name}: ${problem}`);
}

/**
 * Finds or makes what can be lost and rebuilt: live events, leases, members, the gateways' config.
 * @throws StreamRefused when one is not what Tarmac needs it to be.
 */
export async function ensureLosable(nc: NatsConnection, replicas: number): Promise<void> {
  const jsm = await jetstreamManager(nc);
  const wanted = [
    eventsConfig(replicas),
    bucketConfig(CONFIG_BUCKET, replicas),
    // On disk, though losable: a server that restarts would else set all shards moving.
    bucketConfig(LEASES_BUCKET, replicas),
    bucketConfig(MEMBERS_BUCKET, replicas),
  ];
  for (const config of wanted) {
    const found = await readConfig(jsm, config.name);
    // Another node may be making the same one: adding what stands there already is no error.
    refuseDifferences(config, found ?? (await jsm.streams.add(config)).config);
  }
}

function refuseDifferences(wanted: Config, found: StreamConfig): void {
  const problems = differences(wanted, found);
  if (problems.length === 0) return;
  throw new StreamRefused(
    `stream ${wanted.name} does not read back as it was set, so this NATS server does not keep what Tarmac relies on:\n${problems.join("\n")}`,
  );
}

async function readConfig(jsm: JetStreamManager, name: string): Promise<StreamConfig | undefined> {
  try {
    return (await jsm.streams.info(name)).config;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND) return undefined;
    throw error;
  }
}

const STREAM_NOT_FOUND = 10_059;
