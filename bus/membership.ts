/**
 * What workers say of themselves and of shards in the buckets `tarmac-members` and `tarmac-leases`.
 * Both can be lost; they say who should try, never who may.
 *
 *   members  <worker>              value: what placement needs; note: what people and upgrades need
 *   leases   <shard>.<era>         who owns the shard, as what
 *            ready.<shard>.<era>   who has folded the journal and waits for the lease
 *            halted.<shard>.<era>  who will not own it, and why
 *
 * Versions read each other's: an unknown field is passed over, a missing one has the meaning of the
 * time before there was one. The first version refuses a member's value with any other field than
 * `node` and `weight`, so what came later stands in the note.
 */

/** Largest weight; the least is 1. */
export const WEIGHT_MAX = 1_000;
/** Versions that say nothing of their formats read and write this one. */
const FIRST_FORMAT = 1;

/** The newest version of a format that somebody reads, and the one that is written. */
export interface FormatRange {
  readonly reads: number;
  readonly writes: number;
}

/** What a worker tells besides what placement needs. */
export interface MemberAbout {
  /** Of Tarmac. */
  readonly version: string;
  /** Number of the worker in its node. */
  readonly worker: number;
  /** Into how many shards it hashes workspaces. */
  readonly shards: number;
  /** Tells a worker that was started again from the one before. */
  readonly run: string;
  /** ms since 1970, by that machine's clock. */
  readonly startedAt: number;
  readonly journal: FormatRange;
  readonly snapshot: FormatRange;
}

/** One live worker. */
export interface Member {
  /** Its key in the bucket. */
  readonly id: string;
  readonly node: string;
  readonly weight: number;
  /** Missing for a version before there was a note: it hands over without a standby. */
  readonly about: MemberAbout | undefined;
}

/** How a shard is held, as its owner says. */
export type LeasePhase = "taking" | "owning" | "giving";

export interface LeaseValue {
  /** One run of one worker. */
  readonly owner: string;
  /** Key of that worker in the bucket of members; missing for the first version. */
  readonly member: string | undefined;
  /** Of its claim; missing until it has one. */
  readonly epoch: bigint | undefined;
  readonly phase: LeasePhase | undefined;
}

/** Who waits for a shard, or will not own it. */
export interface ShardMark {
  readonly member: string;
  /** Why it is halted. */
  readonly reason: string | undefined;
}

/** What a key of the leases bucket is about; `undefined` for one that a later version may have. */
export interface LeasesKey {
  readonly kind: "lease" | "ready" | "halted";
  readonly shard: number;
  readonly era: number;
}

/** The key of a worker: its id with what a key may not hold made plain. */
export function memberKey(id: string): string {
  return id.replaceAll(/[^A-Za-z0-9_-]/g, "-");
}

/** The key of a shard's lease. */
export function leaseKey(shard: number, era: number): string {
  return `${shard}.${era}`;
}

export function markKey(kind: "ready" | "halted", shard: number, era: number): string {
  return `${kind}.${shard}.${era}`;
}

export function parseLeasesKey(key: string): LeasesKey | undefined {
  const found = /^(?:(ready|halted)\.)?(\d{1,4})\.(\d{1,7})$/.exec(key);
  if (found === null) return undefined;
  const kind = (found[1] ?? "lease") as LeasesKey["kind"];
  return { kind, shard: Number(found[2]), era: Number(found[3]) };
}

/** The value and the note of a member's key. */
export function encodeMember(member: Omit<Member, "id">): { value: string; note: string } {
  const { node, weight, about } = member;
  return { value: JSON.stringify({ node, weight }), note: JSON.stringify(about) };
}

/** @returns `undefined` for what is no member in any version. */
export function decodeMember(
  id: string,
  value: string,
  note: string | undefined,
): Member | undefined {
  const fields = fieldsOf(value);
  const node = textOf(fields?.["node"]);
  const weight = countOf(fields?.["weight"]);
  if (node === undefined || weight === undefined || weight < 1 || weight > WEIGHT_MAX) {
    return undefined;
  }
  return { id, node, weight, about: note === undefined ? undefined : decodeAbout(note) };
}

function decodeAbout(note: string): MemberAbout | undefined {
  const fields = fieldsOf(note);
  const version = textOf(fields?.["version"]);
  if (fields === undefined || version === undefined) return undefined;
  return {
    version,
    worker: countOf(fields["worker"]) ?? 0,
    shards: countOf(fields["shards"]) ?? 0,
    run: textOf(fields["run"]) ?? "",
    startedAt: countOf(fields["startedAt"]) ?? 0,
    journal: formatOf(fields["journal"]),
    snapshot: formatOf(fields["snapshot"]),
  };
}

function formatOf(json: unknown): FormatRange {
  const fields = isFields(json) ? json : {};
  const reads = countOf(fields["reads"]) ?? FIRST_FORMAT;
  return { reads, writes: countOf(fields["writes"]) ?? FIRST_FORMAT };
}

export function encodeLease(lease: LeaseValue): string {
  const { owner, member, epoch, phase } = lease;
  return JSON.stringify({ owner, member, epoch: epoch?.toString(), phase });
}

/** Reads a lease; the first version wrote the owner and nothing else. */
export function decodeLease(value: string): LeaseValue {
  const fields = fieldsOf(value);
  const owner = textOf(fields?.["owner"]);
  if (fields === undefined || owner === undefined) {
    return { owner: value, member: undefined, epoch: undefined, phase: undefined };
  }
  const epoch = textOf(fields["epoch"]);
  const phase = textOf(fields["phase"]);
  return {
    owner,
    member: textOf(fields["member"]),
    epoch: epoch !== undefined && /^\d{1,19}$/.test(epoch) ? BigInt(epoch) : undefined,
    phase: phase === "taking" || phase === "owning" || phase === "giving" ? phase : undefined,
  };
}

export function encodeMark(mark: ShardMark): string {
  return JSON.stringify(mark);
}

/** @returns `undefined` for what is no mark. */
export function decodeMark(value: string): ShardMark | undefined {
  const fields = fieldsOf(value);
  const member = textOf(fields?.["member"]);
  if (fields === undefined || member === undefined) return undefined;
  return { member, reason: textOf(fields["reason"]) };
}

/**
 * Why two versions cannot share a cluster: one would have to go on with what the other writes.
 * @returns nothing when they can.
 */
export function conflictOf(
  own: Pick<MemberAbout, "version" | "shards" | "journal">,
  other: Member,
): string | undefined {
  const theirs = other.about?.journal ?? { reads: FIRST_FORMAT, writes: FIRST_FORMAT };
  const version = other.about?.version;
  const who = `node ${other.node} (${version === undefined ? "an earlier Tarmac" : `Tarmac ${version}`})`;
  if (theirs.writes > own.journal.reads) {
    return `${who} writes journal format ${theirs.writes}, and Tarmac ${own.version} here reads up to ${own.journal.reads}: start the version that the other nodes have, or a newer one`;
  }
  if (own.journal.writes > theirs.reads) {
    return `Tarmac ${own.version} here writes journal format ${own.journal.writes}, and ${who} reads up to ${theirs.reads}: first bring every node to a version that reads ${own.journal.writes}`;
  }
  const shards = other.about?.shards ?? 0;
  if (shards > 0 && shards !== own.shards) {
    return `${who} is set to ${shards} shards and this node to ${own.shards}: set TARMAC_SHARDS to what the cluster was made with`;
  }
  return undefined;
}

type JsonFields = Readonly<Record<string, unknown>>;

function isFields(json: unknown): json is JsonFields {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

function fieldsOf(json: string): JsonFields | undefined {
  try {
    const parsed: unknown = JSON.parse(json);
    return isFields(parsed) ? parsed : undefined;
  } catch {
    // What the first version wrote, or no value of ours.
    return undefined;
  }
}

function textOf(json: unknown): string | undefined {
  return typeof json === "string" && json !== "" ? json : undefined;
}

function countOf(json: unknown): number | undefined {
  return Number.isSafeInteger(json) && (json as number) >= 0 ? (json as number) : undefined;
}
