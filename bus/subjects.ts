/**
 * Every name that NATS knows Tarmac by: subjects, streams, buckets, headers. nats.conf maps
 * `<command>.<ws>` to `shard.<n>.<command>.<ws>` and grants rights by the same names.
 */
import { COMMAND_KINDS, type CommandKind } from "../actors/commands.ts";

/** The era that a new journal starts with; raised when a journal is archived and succeeded. */
export const FIRST_ERA = 1;

/** Where a gateway or operator sends a command; the server maps it to the workspace's shard. */
export function commandSubject(kind: CommandKind, ws: string): string {
  return `${kind}.${ws}`;
}

/** What the owner of a shard listens to: every command of every workspace in it. */
export function shardSubject(shard: number): string {
  return `shard.${shard}.*.*`;
}

/** The parts of a mapped command subject; `undefined` for anything else. */
export function parseShardSubject(
  subject: string,
): { readonly shard: number; readonly kind: CommandKind; readonly ws: string } | undefined {
  const [prefix, shard, kind, ws, ...rest] = subject.split(".");
  if (prefix !== "shard" || shard === undefined || kind === undefined || ws === undefined) {
    return undefined;
  }
  if (rest.length > 0 || !(COMMAND_KINDS as readonly string[]).includes(kind)) return undefined;
  return { shard: Number(shard), kind: kind as CommandKind, ws };
}

/** The stream that holds one shard's journal. */
export function journalStream(shard: number, era: number): string {
  return `JOURNAL_${shard}_${era}`;
}

/** Where blocks are appended. */
export function blockSubject(shard: number, era: number): string {
  return `journal.${shard}.${era}.block`;
}

/** Where a term is claimed. A literal subject: on replicas a check against a wildcard is no fence. */
export function fenceSubject(shard: number, era: number): string {
  return `journal.${shard}.${era}.fence`;
}

/** Live entries, after they can be looked up in Postgres. */
export const EVENTS_STREAM = "EVENTS";
export const EVENTS_SUBJECTS = "events.>";

/** Where one entry is republished; `_` stands for an entry without an agent. */
export function eventSubject(ws: string, kind: string, agent: string | undefined): string {
  return `events.${ws}.${kind}.${agent ?? "_"}`;
}

export const MEMBERS_BUCKET = "tarmac-members";
export const LEASES_BUCKET = "tarmac-leases";
export const CONFIG_BUCKET = "tarmac-config";

/** The stream under a key-value bucket. */
export function bucketStream(bucket: string): string {
  return `KV_${bucket}`;
}

/** The subject of one key of a bucket. */
export function bucketSubject(bucket: string, key: string): string {
  return `$KV.${bucket}.${key}`;
}

/** How long a command may lie in a mailbox, in ms. A header, so that a retry has the same payload. */
export const TTL_HEADER = "Tarmac-Ttl-Ms";

/** Asks every server, through the system account, what its JetStream is set to. */
export const JSZ_PING = "$SYS.REQ.SERVER.PING.JSZ";

/** Asks every server, through the system account, whether it is well. */
export const HEALTHZ_PING = "$SYS.REQ.SERVER.PING.HEALTHZ";
