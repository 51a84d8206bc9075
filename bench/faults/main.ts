/** `npm run bench -- faults`: faults on real processes under load, and what the ledger says afterwards. */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { FAULTS, type FaultName } from "./faults.ts";
import { type FaultsOptions, type FaultsReport, runFaults } from "./run.ts";

const USAGE = `Usage: npm run bench -- faults [options]

  --minutes N     how long faults go on (default 2)
  --seed N        of everything that is chosen by chance; printed (default: any)
  --servers N     nats-servers: 1, or a cluster of 3 (default 1)
  --nodes N       engine nodes at the start (default 3)
  --rate N        holds a second (default 500)
  --kinds A,B     only these faults: ${Object.keys(FAULTS).join(", ")}
  --keep          leave logs and data behind
  --json          one JSON object, on one line, last
`;

function readLine(args: readonly string[]): {
  readonly options: FaultsOptions;
  readonly json: boolean;
} {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: "boolean" },
      json: { default: false, type: "boolean" },
      keep: { default: false, type: "boolean" },
      kinds: { type: "string" },
      minutes: { default: "2", type: "string" },
      nodes: { default: "3", type: "string" },
      rate: { default: "500", type: "string" },
      seed: { type: "string" },
      servers: { default: "1", type: "string" },
    },
  });
  const problems: string[] = [];
  const number = (name: "minutes" | "nodes" | "rate", most: number) => {
    const value = Number(values[name]);
    if (!(value > 0 && value <= most)) problems.push(`--${name}: must be from 0 to ${most}`);
    return value;
  };
  const seed = values.seed === undefined ? randomInt(2 ** 32) : Number(values.seed);
  if (!Number.isInteger(seed)) problems.push("--seed: must be a whole number");
  const servers = Number(values.servers);
  if (servers !== 1 && servers !== 3) problems.push("--servers: must be 1 or 3");
  const kinds = values.kinds?.split(",");
  for (const kind of kinds ?? []) if (!(kind in FAULTS)) problems.push(`--kinds: no "${kind}"`);
  const options = {
    keep: values.keep,
    minutes: number("minutes", 24 * 60),
    nodes: number("nodes", 4),
    rate: number("rate", 10_000),
    seed,
    servers: servers === 3 ? 3 : 1,
    tell: (line: string) => process.stderr.write(`${line}\n`),
    ...(kinds === undefined ? {} : { kinds: kinds as FaultName[] }),
  } as const;
  if (problems.length > 0 || values.help === true) {
    process.stderr.write(`${[...problems, ""].join("\n")}${USAGE}`);
    process.exit(values.help === true ? 0 : 2);
  }
  return { json: values.json, options };
}

function textOf(report: FaultsReport): string {
  const { findings, ...rest } = report;
  const lists = Object.entries(findings).map(([name, list]: [string, readonly string[]]) =>
    [`  ${name}: ${list.length}`, ...list.slice(0, 10).map((one) => `    ${one}`)].join("\n"),
  );
  const kinds = new Map<string, number[]>();
  for (const { kind, ms_unavailable: ms } of rest.faults) {
    kinds.set(kind, [...(kinds.get(kind) ?? []), ms]);
  }
  const rows = [...kinds].map(([kind, all]) => {
    const sorted = all.toSorted((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
    return `  ${kind}: ${all.length}, ${median} ms without an answer in the median, ${sorted.at(-1)} ms at most`;
  });
  return [
    `seed ${rest.seed}: ${rest.answered} answers (${rest.admitted} admitted, ${rest.refused} refused, ${rest.settled} settled), ${rest.late} late, ${rest.unreachable} not decided`,
    `${rest.entries} entries, ${rest.claims} claims, ${rest.near_limit} admits with a limit at stake`,
    ...rows,
    "found wrong:",
    ...lists,
    rest.pass ? "PASS" : "FAIL",
  ].join("\n");
}

/** Runs what the arguments say. @returns the exit code */
export async function faultsMain(args: readonly string[]): Promise<number> {
  const { json, options } = readLine(args);
  const report = await runFaults(options);
  process.stderr.write(`${textOf(report)}\n`);
  if (json) process.stdout.write(`${JSON.stringify({ bench: "faults", ...report })}\n`);
  return report.pass ? 0 : 1;
}
