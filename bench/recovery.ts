/**
 * How long the engine gives no answer when something of it ends, by accident and as planned, how fast a
 * journal is read back, and how long a node takes to start.
 */
import {
  type BenchOptions,
  type BenchRun,
  note,
  type Versions,
  versionsOf,
} from "./measure/bench-run.ts";
import { type Latencies, latencies } from "./measure/latencies.ts";
import { reportHead } from "./measure/report.ts";
import { type Target, targetOf } from "./measure/targets.ts";
import { type HandOverRounds, handOvers } from "./recovery/hand-over.ts";
import { type LeaderKill, leaderKills } from "./recovery/leader-kill.ts";
import { ownerKills } from "./recovery/owner-kill.ts";
import { type ServerCount, startStand } from "./recovery/stand.ts";
import { type LongJournal, longJournal } from "./recovery/start-up.ts";

/** What `--only` can name. */
export const RECOVERY_PARTS = ["owner-kill", "leader-kill", "handover", "replay", "start"] as const;

const RATE = 200;
/** Entries that the snapshots are behind by, of a whole run's million. */
const BEHIND_SHARE = 100;
const REPLAYS = 3;

/** What the product wants. */
const OWNER_KILL_MS_MAX: Readonly<Record<ServerCount, number>> = { 1: 5_000, 3: 12_000 };
const ADDED_TO_ELECTION_MS_MAX = 1_000;
const HANDOVER_MS_MAX = 250;
const REPLAY_PER_S_MIN = 60_000;
const START_MS_MAX = 3_000;

/** What a cluster on one NATS server, or on three, met with. Latencies in ms */
interface FaultResults {
  readonly owner_kill_ms?: Latencies;
  readonly nats_leader_kill_ms?: Latencies;
  /** Of the leader's kill: until the two servers left have elected, and what comes on top. */
  readonly nats_election_ms?: Latencies;
  readonly added_to_election_ms?: Latencies;
  /** The slowest request of each hand-over, then all that were sent during one. */
  readonly handover_ms?: Latencies;
  readonly handover_requests_ms?: Latencies;
  /** The same for the hand-overs to a node that comes. */
  readonly join_ms?: Latencies;
  /** Requests sent during one that got no answer within a gateway's patience. */
  readonly handover_unanswered?: number;
  readonly join_unanswered?: number;
  /** Nodes that ended by themselves and had to be started again. */
  readonly nodes_ended?: number;
}

export async function recovery(options: BenchOptions): Promise<BenchRun> {
  const wants = wantsOf(options);
  const counts: readonly ServerCount[] =
    options.servers === undefined ? [1, 3] : [options.servers === 3 ? 3 : 1];
  const faults = new Map<ServerCount, FaultResults>();
  const targets: Target[] = [];
  let versions: Versions = { nats: "unknown", postgres: "unknown" };
  for (const servers of counts) {
    const found = await faultsOn(servers, options, wants, (seen) => {
      versions = seen;
    });
    faults.set(servers, found);
    targets.push(...faultTargets(servers, found));
  }
  const long = wants("replay") || wants("start") ? await longJournalOf(options, wants) : undefined;
  if (long !== undefined) versions = long.versions;
  targets.push(...longTargets(long));
  const [first = 1] = counts;
  const leader = faults.get(3)?.nats_leader_kill_ms;
  return {
    ...reportHead("recovery", versions),
    servers: first,
    ...faults.get(first),
    ...(leader === undefined ? {} : { nats_leader_kill_ms: leader }),
    ...(counts.length > 1 ? { three_servers: faults.get(3) } : {}),
    ...resultsOf(long),
    pass: targets.every((target) => target.pass),
    targets,
  };
}

type Wants = (part: (typeof RECOVERY_PARTS)[number]) => boolean;

function wantsOf({ only }: BenchOptions): Wants {
  return (part) => only.length === 0 || only.includes(part);
}

async function faultsOn(
  servers: ServerCount,
  { rounds, shards }: BenchOptions,
  wants: Wants,
  saw: (versions: Versions) => void,
): Promise<FaultResults> {
  const elections = servers === 3 && wants("leader-kill");
  if (!wants("owner-kill") && !wants("handover") && !elections) return {};
  const stand = await startStand(servers, shards, RATE);
  try {
    saw(await versionsOf(stand.cluster));
    const killed = wants("owner-kill") ? await ownerKills(stand, rounds) : undefined;
    const handed = wants("handover") ? await handOvers(stand, rounds) : undefined;
    const elected = elections ? await leaderKills(stand, rounds) : undefined;
    return {
      ...(killed === undefined ? {} : { owner_kill_ms: latencies(killed) }),
      ...(handed === undefined ? {} : handOverResults(handed)),
      ...(elected === undefined ? {} : leaderResults(elected)),
      nodes_ended: stand.ended.length,
    };
  } finally {
    await stand.stop();
  }
}

function handOverResults({ joining, leaving }: HandOverRounds): FaultResults {
  return {
    handover_ms: latencies(leaving.slowest),
    handover_requests_ms: latencies(leaving.requests),
    handover_unanswered: leaving.unanswered,
    join_ms: latencies(joining.slowest),
    join_unanswered: joining.unanswered,
  };
}

function leaderResults(kills: readonly LeaderKill[]): FaultResults {
  return {
    added_to_election_ms: latencies(kills.map((kill) => kill.answeredMs - kill.electedMs)),
    nats_election_ms: latencies(kills.map(({ electedMs }) => electedMs)),
    nats_leader_kill_ms: latencies(kills.map(({ answeredMs }) => answeredMs)),
  };
}

function faultTargets(servers: ServerCount, found: FaultResults): Target[] {
  const at = `${servers} NATS server${servers === 1 ? "" : "s"}`;
  const { owner_kill_ms: killed, handover_ms: handed, added_to_election_ms: added } = found;
  return [
    ...targetOf(`owner_kill_ms.max, ${at}`, killed?.max, { most: OWNER_KILL_MS_MAX[servers] }),
    ...targetOf(`handover_ms.p99, ${at}`, handed?.p99, { most: HANDOVER_MS_MAX }),
    ...targetOf(`handover_unanswered, ${at}`, found.handover_unanswered, { most: 0 }),
    ...targetOf(`join_unanswered, ${at}`, found.join_unanswered, { most: 0 }),
    ...targetOf(`nodes_ended, ${at}`, found.nodes_ended, { most: 0 }),
    ...targetOf("added_to_election_ms.max", added?.max, { most: ADDED_TO_ELECTION_MS_MAX }),
  ];
}

async function longJournalOf(options: BenchOptions, wants: Wants): Promise<LongJournal> {
  const { entries, rounds, shards } = options;
  note(`a journal of ${entries} entries on one NATS server`);
  return await longJournal({
    behind: Math.round(entries / BEHIND_SHARE),
    entries,
    replays: wants("replay") ? REPLAYS : 0,
    shards,
    starts: wants("start") ? rounds : 0,
  });
}

/** Of several replays the median counts. */
function resultsOf(long: LongJournal | undefined): Readonly<Record<string, unknown>> {
  if (long === undefined) return {};
  const { bytesPerEntry, entries, madePerSecond, startMs } = long;
  return {
    bytes_per_entry: bytesPerEntry,
    entries,
    entries_made_per_s: madePerSecond,
    ...(long.replays.length === 0 ? {} : replayResults(long)),
    ...(startMs.length === 0 ? {} : { start_ms: latencies(startMs) }),
  };
}

/** Beside the rate by the clock that of the thread's own time: what a machine without other work gives. */
function replayResults(long: LongJournal): Readonly<Record<string, number>> {
  const atWork = long.replays.map(({ cpuMs, entries }) => (entries * 1_000) / cpuMs);
  return {
    replay_entries_per_cpu_s: Math.round(latencies(atWork).p50),
    replay_entries_per_s: replayRate(long),
  };
}

function replayRate({ replays }: LongJournal): number {
  const rates = replays.map(({ entries, ms }) => (entries * 1_000) / ms);
  return Math.round(latencies(rates).p50);
}

function longTargets(long: LongJournal | undefined): Target[] {
  if (long === undefined) return [];
  const { replays, startMs } = long;
  const rate = replays.length === 0 ? undefined : replayRate(long);
  const slowest = startMs.length === 0 ? undefined : latencies(startMs).max;
  return [
    ...targetOf("replay_entries_per_s", rate, { least: REPLAY_PER_S_MIN }),
    ...targetOf("start_ms.max", slowest, { most: START_MS_MAX }),
  ];
}
