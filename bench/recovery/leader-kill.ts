/**
 * The NATS server that leads a loaded shard's journal is killed, of three. Until the other two have
 * elected a leader nothing can be written there, which is NATS's own time and not ours; so beside the
 * load a plain publisher asks the very same stream whether somebody leads it again.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { headers, type NatsConnection } from "@nats-io/nats-core";
import { connectBus } from "../../bus/connect.ts";
import {
  bucketStream,
  FIRST_ERA,
  fenceSubject,
  journalStream,
  LEASES_BUCKET,
} from "../../bus/subjects.ts";
import { note } from "../measure/bench-run.ts";
import { nodeLogin, required, type Stand } from "./stand.ts";

/** What one shard met when the leader of its journal was killed. ms from the kill */
export interface LeaderKill {
  readonly shard: number;
  /** The first publish that a leader dealt with. */
  readonly electedMs: number;
  /** The first answer to a hold that was sent after the kill. */
  readonly answeredMs: number;
}

const CALM_MS = 1_000;
const PROBE_EVERY_MS = 20;
const PROBE_MS = 400;
/** Elections take 4 to 9 s, and one may fail. */
const ELECTED_MS_MAX = 60_000;
const WHOLE_MS_MAX = 60_000;
/** No stream comes to this sequence: a publish that expects it is refused by the leader, not written. */
const NEVER = String(Number.MAX_SAFE_INTEGER);
const WRONG_LAST_SEQUENCE: ReadonlySet<number> = new Set([10_071, 10_164]);

/** Kills leaders of journals, a shard's in turn. */
export async function leaderKills(stand: Stand, rounds: number): Promise<LeaderKill[]> {
  const found: LeaderKill[] = [];
  for (let round = 0; round < rounds; round += 1) {
    await sleep(CALM_MS);
    found.push(...(await killLeaderOf(stand, round % stand.shards)));
  }
  return found;
}

async function killLeaderOf(stand: Stand, wanted: number): Promise<readonly LeaderKill[]> {
  const { cluster, load, shards } = stand;
  const manager = await jetstreamManager(stand.nc);
  const leaders = await Promise.all(
    Array.from({ length: shards }, (_, shard) =>
      leaderOf(manager, journalStream(shard, FIRST_ERA)),
    ),
  );
  const leases = await leaderOf(manager, bucketStream(LEASES_BUCKET));
  const leader = leaders[wanted];
  const { members } = cluster.servers.nats;
  const victim = required(
    members.find(({ name }) => name === leader),
    `server ${leader} that leads the journal of shard ${wanted}`,
  );
  const led = leaders.flatMap((name, shard) => (name === victim.name ? [shard] : []));
  const others = members.filter((member) => member !== victim);
  const servers = others.map(({ port }) => `127.0.0.1:${port}`).join(",");
  const probe = await connectBus(nodeLogin(cluster, "bench probe", servers));
  try {
    const killedMs = performance.now();
    await victim.kill();
    const kills = await Promise.all(
      led.map(async (shard): Promise<LeaderKill> => {
        const [electedMs, answeredMs] = await Promise.all([
          untilElected(probe, shard, killedMs),
          load.firstAnswerAfter(shard, killedMs),
        ]);
        return { answeredMs, electedMs, shard };
      }),
    );
    for (const { answeredMs, electedMs, shard } of kills) {
      note(
        `  kill -9 of ${victim.name}: shard ${shard} elected after ${Math.round(electedMs)} ms, answered after ${Math.round(answeredMs)} ms${leases === victim.name ? " (it led the leases too)" : ""}`,
      );
    }
    await victim.start();
    await untilWhole(stand);
    return kills;
  } finally {
    await probe.close();
  }
}

async function leaderOf(manager: JetStreamManager, stream: string): Promise<string | undefined> {
  return (await manager.streams.info(stream)).cluster?.leader;
}

/** When a leader first refused a publish that could never be written, in ms from the kill. */
function untilElected(nc: NatsConnection, shard: number, killedMs: number): Promise<number> {
  const subject = fenceSubject(shard, FIRST_ERA);
  const fields = headers();
  fields.set("Nats-Expected-Last-Sequence", NEVER);
  return new Promise((resolve, reject) => {
    const end = () => {
      clearInterval(asking);
      clearTimeout(patience);
    };
    const ask = async () => {
      const reply = await nc
        .request(subject, "", { headers: fields, timeout: PROBE_MS })
        .catch(() => undefined);
      const code = reply?.json<{ readonly error?: { readonly err_code?: number } }>().error
        ?.err_code;
      if (!WRONG_LAST_SEQUENCE.has(code ?? 0)) return;
      end();
      resolve(performance.now() - killedMs);
    };
    const asking = setInterval(() => void ask(), PROBE_EVERY_MS);
    const patience = setTimeout(() => {
      end();
      reject(new Error(`the journal of shard ${shard} got no leader in ${ELECTED_MS_MAX} ms`));
    }, ELECTED_MS_MAX);
  });
}

/** Waits until every copy of every journal is up to date again. */
async function untilWhole(stand: Stand): Promise<void> {
  const deadline = performance.now() + WHOLE_MS_MAX;
  for (;;) {
    if (await isWhole(stand).catch(() => false)) break;
    if (performance.now() > deadline) throw new Error("the NATS servers do not come together");
    await sleep(250);
  }
  await stand.untilWhole();
}

async function isWhole(stand: Stand): Promise<boolean> {
  const manager = await jetstreamManager(stand.nc);
  for (let shard = 0; shard < stand.shards; shard += 1) {
    const { cluster } = await manager.streams.info(journalStream(shard, FIRST_ERA));
    const copies = cluster?.replicas ?? [];
    if (cluster?.leader === undefined || copies.length < 2) return false;
    if (copies.some((copy) => copy.offline === true || !copy.current)) return false;
  }
  return true;
}
