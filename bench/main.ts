/** `npm run bench -- <name>`: one benchmark; progress on standard error, the result on standard output. */
import { parseArgs } from "node:util";
import { consoleFrames } from "./console.ts";
import { latency } from "./latency.ts";
import type { BenchOptions, BenchRun } from "./measure/bench-run.ts";
import { overhead } from "./overhead.ts";
import { throughput } from "./throughput.ts";

const BENCHES: Readonly<Record<string, (options: BenchOptions) => Promise<BenchRun>>> = {
  console: consoleFrames,
  latency,
  overhead,
  throughput,
};

const USAGE = `Usage: npm run bench -- <name> [options]

  latency      hold and settle at 250, 500, 1,000 and 2,000 a second, beside the machine's floor
  throughput   holds a second, flat out over 50 workspaces
  overhead     what the gateway adds to a call, beside the provider called directly

  faults       faults on real processes under load, then the ledger; has its own --help
  console      frames a second of the live page in Chromium, at rising rates of decisions

  --seconds N         length of each measured stretch (default 15)
  --nodes N           latency and throughput: engine nodes, each with one worker (default 2)
  --shards N          latency and throughput: shards of the journal (default 4)
  --target NAME=URL   overhead: another gateway to measure in the same run; may be repeated
  --json              one JSON object, on one line
`;

function readLine(): {
  readonly name: string;
  readonly options: BenchOptions;
  readonly json: boolean;
} {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      help: { type: "boolean" },
      json: { type: "boolean" },
      nodes: { default: "2", type: "string" },
      seconds: { default: "15", type: "string" },
      shards: { default: "4", type: "string" },
      target: { multiple: true, type: "string" },
    },
  });
  const [name = ""] = positionals;
  const seconds = Number(values.seconds);
  const problems: string[] = [];
  if (values.help === true) problems.push("");
  else if (!(name in BENCHES)) problems.push(`There is no bench "${name}".`);
  if (!(seconds > 0 && seconds <= 600)) problems.push("--seconds: must be from 1 to 600");
  const [nodes, shards] = [Number(values.nodes), Number(values.shards)];
  if (!(Number.isInteger(nodes) && nodes >= 1 && nodes <= 16)) {
    problems.push("--nodes: must be a whole number from 1 to 16");
  }
  if (!(Number.isInteger(shards) && shards >= nodes && shards <= 64)) {
    problems.push("--shards: must be a whole number from the number of nodes to 64");
  }
  const targets = (values.target ?? []).flatMap((text) => {
    const [label = "", ...rest] = text.split("=");
    const url = rest.join("=");
    if (URL.canParse(url) && label !== "") return [{ name: label, url }];
    problems.push(`--target: must be NAME=URL, not ${text}`);
    return [];
  });
  if (problems.length > 0) {
    process.stderr.write(`${problems.join("\n")}\n${USAGE}`);
    process.exit(values.help === true ? 0 : 2);
  }
  return { json: values.json === true, name, options: { nodes, seconds, shards, targets } };
}

// It has options of its own.
if (process.argv[2] === "faults") {
  const { faultsMain } = await import("./faults/main.ts");
  process.exit(await faultsMain(process.argv.slice(3)));
}
const { json, name, options } = readLine();
const bench = BENCHES[name];
if (bench !== undefined) {
  const run = await bench(options);
  process.stdout.write(`${json ? JSON.stringify(run) : JSON.stringify(run, null, 2)}\n`);
  process.exitCode = run.pass ? 0 : 1;
}
