/** `npm run bench -- <name>`: one benchmark; progress on standard error, the result on standard output. */
import { consoleFrames } from "./console.ts";
import { latency } from "./latency.ts";
import { readBenchLine } from "./measure/bench-options.ts";
import type { BenchOptions, BenchRun } from "./measure/bench-run.ts";
import { overhead } from "./overhead.ts";
import { RECOVERY_PARTS, recovery } from "./recovery.ts";
import { SCALE_PARTS, scale } from "./scale.ts";
import { throughput } from "./throughput.ts";

interface Bench {
  readonly run: (options: BenchOptions) => Promise<BenchRun>;
  /** What `--only` may name. */
  readonly parts?: readonly string[];
}

const BENCHES: Readonly<Record<string, Bench>> = {
  console: { run: consoleFrames },
  latency: { run: latency },
  overhead: { run: overhead },
  recovery: { parts: RECOVERY_PARTS, run: recovery },
  scale: { parts: SCALE_PARTS, run: scale },
  throughput: { run: throughput },
};

const USAGE = `Usage: npm run bench -- <name> [options]

  latency      hold and settle at 250, 500, 1,000 and 2,000 a second, beside the machine's floor
  throughput   holds a second, flat out over 50 workspaces
  overhead     what the gateway adds to a call, beside the provider called directly
  recovery     how long nobody answers when an owner or the leader of NATS is killed and when a node
               leaves as planned; how fast a journal is read back; how long a node takes to start
  scale        holds a second by nodes and workers, with the processor time of each process; shards that
               move when nodes come and go; the cost of a hold in a cluster that has grown
  faults       faults on real processes under load, then the ledger; has its own --help
  console      frames a second of the live page in Chromium, at rising rates of decisions

  --seconds N         length of each measured stretch (default 15)
  --nodes N           latency and throughput: engine nodes, each with one worker (default 2)
  --shards N          latency, throughput and recovery: shards of the journal (default 4)
  --servers 1|3       recovery: NATS servers (default both in turn); scale: under its rows (default 1)
  --rounds N          recovery: kills and hand-overs of each kind, and starts (default 5)
  --entries N         recovery and scale: entries of the long journal (default 1,000,000)
  --open-holds N      scale: holds open at once (default 100,000)
  --workspaces N      scale: workspaces of five agents each (default 10,000)
  --only PART,PART    recovery: ${RECOVERY_PARTS.join(", ")}
                      scale: ${SCALE_PARTS.join(", ")}
  --target NAME=URL   overhead: another gateway to measure in the same run; may be repeated
  --json              one JSON object, on one line
`;

// It has options of its own.
if (process.argv[2] === "faults") {
  const { faultsMain } = await import("./faults/main.ts");
  process.exit(await faultsMain(process.argv.slice(3)));
}
const line = readBenchLine();
const bench = BENCHES[line.name];
const problems = [...line.problems];
if (bench === undefined) problems.push(`There is no bench "${line.name}".`);
for (const part of line.options.only) {
  if (bench?.parts?.includes(part) !== true) problems.push(`--only: ${line.name} has no ${part}`);
}
if (line.help) {
  process.stderr.write(USAGE);
} else if (problems.length > 0 || bench === undefined) {
  process.stderr.write(`${problems.join("\n")}\n${USAGE}`);
  process.exitCode = 2;
} else {
  const run = await bench.run(line.options);
  process.stdout.write(`${line.json ? JSON.stringify(run) : JSON.stringify(run, null, 2)}\n`);
  process.exitCode = run.pass ? 0 : 1;
}
