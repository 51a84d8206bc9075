/** The command line of `npm run bench`. */
import { parseArgs } from "node:util";
import type { BenchOptions } from "./bench-run.ts";

/** What was asked for, or every mistake in it. */
export interface BenchLine {
  readonly name: string;
  readonly json: boolean;
  readonly help: boolean;
  readonly options: BenchOptions;
  readonly problems: readonly string[];
}

/** Reads the arguments of `npm run bench`. @throws TypeError for an unknown option */
export function readBenchLine(args?: readonly string[]): BenchLine {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    ...(args === undefined ? {} : { args: [...args] }),
    options: {
      entries: { default: "1000000", type: "string" },
      help: { default: false, type: "boolean" },
      json: { default: false, type: "boolean" },
      nodes: { default: "2", type: "string" },
      only: { default: "", type: "string" },
      "open-holds": { default: "100000", type: "string" },
      rounds: { default: "5", type: "string" },
      seconds: { default: "15", type: "string" },
      servers: { type: "string" },
      shards: { default: "4", type: "string" },
      target: { multiple: true, type: "string" },
      workspaces: { default: "10000", type: "string" },
    },
  });
  const problems: string[] = [];
  const seconds = Number(values.seconds);
  if (!(seconds > 0 && seconds <= 600)) problems.push("--seconds: must be from 1 to 600");
  const whole = (option: string, text: string, min: number, max: number) => {
    const number = Number(text);
    if (!(Number.isInteger(number) && number >= min && number <= max)) {
      problems.push(`--${option}: must be a whole number from ${min} to ${max}`);
    }
    return number;
  };
  const nodes = whole("nodes", values.nodes, 1, 16);
  const options: BenchOptions = {
    entries: whole("entries", values.entries, 1_000, 10_000_000),
    nodes,
    only: values.only === "" ? [] : values.only.split(","),
    openHolds: whole("open-holds", values["open-holds"], 10, 1_000_000),
    rounds: whole("rounds", values.rounds, 1, 100),
    seconds,
    servers: readServers(values.servers, problems),
    shards: whole("shards", values.shards, nodes, 64),
    targets: readTargets(values.target ?? [], problems),
    workspaces: whole("workspaces", values.workspaces, 10, 100_000),
  };
  return { help: values.help, json: values.json, name: positionals[0] ?? "", options, problems };
}

function readServers(text: string | undefined, problems: string[]): 1 | 3 | undefined {
  if (text === undefined || text === "1" || text === "3") {
    return text === undefined ? undefined : text === "1" ? 1 : 3;
  }
  problems.push("--servers: must be 1 or 3");
  return undefined;
}

function readTargets(texts: readonly string[], problems: string[]): BenchOptions["targets"] {
  return texts.flatMap((text) => {
    const [label = "", ...rest] = text.split("=");
    const url = rest.join("=");
    if (URL.canParse(url) && label !== "") return [{ name: label, url }];
    problems.push(`--target: must be NAME=URL, not ${text}`);
    return [];
  });
}
