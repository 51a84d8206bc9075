/**
 * How the engine grows: holds a second by nodes and workers with the processor time of each process,
 * what moves when nodes come and go, and what a hold costs in a cluster that has grown.
 */
import {
  type BenchOptions,
  type BenchRun,
  note,
  type Versions,
  versionsOf,
} from "./measure/bench-run.ts";
import { reportHead } from "./measure/report.ts";
import { type Target, targetOf } from "./measure/targets.ts";
import { type BlockRow, measureBlocks } from "./scale/blocks.ts";
import { type FlatRow, growAndCompare, startSmall } from "./scale/grow.ts";
import { joinOverSeeds, type Moved } from "./scale/moved-share.ts";
import { type Moves, measureMoves } from "./scale/moves.ts";
import { measureSize, type ScaleRow, type Size } from "./scale/rows.ts";

/** What `--only` can name. */
export const SCALE_PARTS = [
  "rows",
  "blocks",
  "moves",
  "entries",
  "open-holds",
  "workspaces",
] as const;

/** Shards of a cluster of more than one machine. */
const SHARDS = 16;
/** Nodes of one worker each, and one node of several workers. */
const SIZES: readonly Size[] = [
  { nodes: 1, workers: 1 },
  { nodes: 2, workers: 1 },
  { nodes: 3, workers: 1 },
  { nodes: 4, workers: 1 },
  { nodes: 1, workers: 2 },
  { nodes: 1, workers: 3 },
  { nodes: 1, workers: 4 },
];
const NODES_MAX = 4;
/** Each way of writing blocks is measured for this part of a stretch. */
const BLOCK_STRETCHES = 3;
/** Sets of names that hashing is tried with. */
const SEEDS = 1_000;
/** Pairs of single holds, one in the small cluster and one in the grown one. */
const PAIRS_PER_S = 70;

/** What the product wants: the median of a hold in a cluster that has grown. */
const RATIO_MAX = 1.2;
/** With few shards chance decides; more than this over 1/N would say that hashing is not fair. */
const MOVED_OVER_IDEAL_MAX = 0.01;

export async function scale(options: BenchOptions): Promise<BenchRun> {
  const { only, seconds } = options;
  const wants = (part: (typeof SCALE_PARTS)[number]) => only.length === 0 || only.includes(part);
  const rows: ScaleRow[] = [];
  let versions: Versions = { nats: "unknown", postgres: "unknown" };
  if (wants("rows")) {
    note(`holds a second by nodes × workers, ${SHARDS} shards`);
    for (const size of SIZES) {
      const servers = options.servers ?? 1;
      const found = await measureSize({ ...size, servers }, SHARDS, seconds);
      versions = found.versions;
      rows.push(found.row);
    }
  }
  const blocks: BlockRow[] = [];
  if (wants("blocks")) {
    note("blocks a second, one append in flight a shard");
    for (const servers of [1, 3] as const) {
      blocks.push(...(await measureBlocks(servers, seconds / BLOCK_STRETCHES)));
    }
  }
  const moves = wants("moves") ? await measureMoves(SHARDS, NODES_MAX) : undefined;
  const flat = await flatRows(options, wants, (seen) => {
    versions = seen;
  });
  const targets = [...moveTargets(moves), ...flat.flatMap(flatTarget)];
  return {
    ...reportHead("scale", versions),
    ...(moves === undefined ? {} : moveResults(moves)),
    blocks,
    flat,
    pass: targets.every((target) => target.pass),
    rows,
    targets,
  };
}

async function flatRows(
  { entries, openHolds, seconds, workspaces }: BenchOptions,
  wants: (part: (typeof SCALE_PARTS)[number]) => boolean,
  saw: (versions: Versions) => void,
): Promise<FlatRow[]> {
  const pairs = Math.ceil(seconds * PAIRS_PER_S);
  const plans = [
    { grown: "entries", part: "entries", to: entries },
    { grown: "open_holds", part: "open-holds", to: openHolds },
    { grown: "workspaces", part: "workspaces", to: workspaces },
  ] as const;
  const wanted = plans.filter(({ part }) => wants(part));
  if (wanted.length === 0) return [];
  const small = await startSmall();
  try {
    saw(await versionsOf(small.cluster));
    const rows: FlatRow[] = [];
    for (const { grown, to } of wanted) rows.push(await growAndCompare(small, grown, to, pairs));
    return rows;
  } finally {
    await small.cluster.stop();
  }
}

/** Real nodes, and beside them hashing alone over many sets of names. */
function moveResults({ join, leave }: Moves): Readonly<Record<string, unknown>> {
  const sizes = Array.from({ length: NODES_MAX - 1 }, (_, i) => i + 2);
  return {
    moved_share_by_hashing: sizes.map((members) => joinOverSeeds(members, SHARDS, SEEDS)),
    moved_share_on_join: join,
    moved_share_on_leave: leave,
  };
}

function moveTargets(moves: Moves | undefined): Target[] {
  if (moves === undefined) return [];
  const stray = [...moves.join, ...moves.leave].reduce((sum, move: Moved) => sum + move.stray, 0);
  const hashing = joinOverSeeds(NODES_MAX, SHARDS, SEEDS);
  return [
    ...targetOf("shards moved between nodes that neither came nor went", stray, { most: 0 }),
    ...targetOf("moved share on the join of a fourth, mean by hashing", hashing.mean_share, {
      most: hashing.ideal_share + MOVED_OVER_IDEAL_MAX,
    }),
  ];
}

function flatTarget({ grown, ratio_p50: ratio }: FlatRow): Target[] {
  return targetOf(`hold p50 with many ${grown.replace("_", " ")} ÷ with few`, ratio, {
    most: RATIO_MAX,
  });
}
