/**
 * How long a hold and its settle take at a fixed rate, open loop, projector running, beside the floor
 * of the same machine in the same run.
 */

import { startBenchCluster } from "./cluster/cluster.ts";
import { benchWorkspace } from "./cluster/workspaces.ts";
import { placeHold, settleHold } from "./load/holds.ts";
import { type BenchOptions, type BenchRun, note, versionsOf } from "./measure/bench-run.ts";
import { measureFloor } from "./measure/floor.ts";
import { type Latencies, latencies } from "./measure/latencies.ts";
import { openLoop } from "./measure/open-loop.ts";
import { reportHead } from "./measure/report.ts";

const RATES = [250, 500, 1_000, 2_000];
const WORKSPACES = 10;
const FLOOR_MS = 6_000;
/** The product's figures, judged at this rate. */
const JUDGED_RATE = 1_000;
const HOLD_RATIO_MAX = 3;
const HOLD_P99_MS_MAX = 14;
const SETTLE_P50_MS_MAX = 3;

interface Row {
  readonly rate: number;
  readonly workspaces: number;
  readonly hold_ms: Latencies;
  readonly settle_ms: Latencies;
  readonly hold_sent_ms: Latencies;
  readonly ratio_p50: number;
  readonly late_ms: Latencies;
}

export async function latency(options: BenchOptions): Promise<BenchRun> {
  const { nodes, shards } = options;
  const cluster = await startBenchCluster({ nodes, shards });
  try {
    const workspaces = Array.from({ length: WORKSPACES }, (_, i) => benchWorkspace(`bench-${i}`));
    for (const workspace of workspaces) await cluster.configure(workspace);
    const { client } = await cluster.engine();
    const node = { ...cluster.servers.nats.logins.node, name: "floor" };
    note("floor: one request-reply plus one synced publish, at 250/s");
    const floor = await measureFloor(node, cluster.session.nc, FLOOR_MS);
    note(`  p50 ${floor.p50} ms, p99 ${floor.p99} ms`);
    const durationMs = options.seconds * 1_000;
    note("warming up");
    const drive = (rate: number, ms: number) => driveAt(client, workspaces, rate, ms);
    await drive(500, 5_000);
    const rows: Row[] = [];
    for (const rate of RATES) {
      const row = rowOf(rate, await drive(rate, durationMs), floor);
      rows.push(row);
      const { hold_ms: hold, settle_ms: settle } = row;
      note(
        `  ${rate}/s: hold p50 ${hold.p50} p99 ${hold.p99} ms (${row.ratio_p50} × floor), settle p50 ${settle.p50} p99 ${settle.p99} ms`,
      );
    }
    const judged = rows.find(({ rate }) => rate === JUDGED_RATE);
    const pass =
      judged !== undefined &&
      judged.ratio_p50 <= HOLD_RATIO_MAX &&
      judged.hold_ms.p99 <= HOLD_P99_MS_MAX &&
      judged.settle_ms.p50 <= SETTLE_P50_MS_MAX;
    const head = reportHead("latency", await versionsOf(cluster));
    return { ...head, floor_ms: floor, nodes, pass, rows, shards };
  } finally {
    await cluster.stop();
  }
}

interface Samples {
  readonly hold: number[];
  readonly holdSent: number[];
  readonly settle: number[];
  readonly late: readonly number[];
}

async function driveAt(
  engine: Parameters<typeof placeHold>[0],
  workspaces: readonly Parameters<typeof placeHold>[1][],
  rate: number,
  durationMs: number,
): Promise<Samples> {
  const hold: number[] = [];
  const holdSent: number[] = [];
  const settle: number[] = [];
  const late = await openLoop(rate, durationMs, async ({ dueMs, number, sentMs }) => {
    const workspace = workspaces[number % workspaces.length];
    if (workspace === undefined) return;
    const authorization = await placeHold(engine, workspace);
    const heldMs = performance.now();
    hold.push(heldMs - dueMs);
    holdSent.push(heldMs - sentMs);
    await settleHold(engine, workspace, authorization);
    settle.push(performance.now() - heldMs);
  });
  return { hold, holdSent, late, settle };
}

function rowOf(rate: number, samples: Samples, floor: Latencies): Row {
  const sent = latencies(samples.holdSent);
  return {
    hold_ms: latencies(samples.hold),
    hold_sent_ms: sent,
    late_ms: latencies(samples.late),
    rate,
    ratio_p50: Math.round((sent.p50 / floor.p50) * 100) / 100,
    settle_ms: latencies(samples.settle),
    workspaces: WORKSPACES,
  };
}
