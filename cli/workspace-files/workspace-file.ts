import { PRIORITIES } from "../../ledger/caps.ts";
import { NAME_PATTERN } from "../../ledger/ids.ts";
import type { NanoUsd } from "../../ledger/money.ts";
import { REBALANCE_STEPS, type RebalancingRow } from "../../ledger/policy.ts";
import type { GroupSettings, WorkspaceSettings } from "../../ledger/workspace-config.ts";
import { readDuration, readPercent } from "./amounts.ts";
import {
  documentOf,
  dollars,
  type Field,
  fieldsOf,
  holdsFault,
  listOf,
  mapOf,
  matching,
  notice,
  oneOf,
  type Placed,
  placed,
  quantityOf,
  type Reader,
  type Reading,
  report,
  textOf,
} from "./fields.ts";
import { timeZone } from "./time-zone.ts";

/** A name of an agent, team, cost centre or workspace. */
export const name: Reader<string> = matching(
  NAME_PATTERN,
  "a name of a-z, 0-9, _ and -, at most 63 long",
);
export const title: Reader<string> = textOf(200);

/** What `workspace.yaml` says. A value that is wrong is reported and absent here. */
export interface WorkspaceFile {
  readonly id: Placed<string> | undefined;
  readonly settings: WorkspaceSettings | undefined;
  /** The zone is fixed once the workspace is made: the engine may refuse this very line. */
  readonly timeZone: Placed<string> | undefined;
  readonly costCenters: ReadonlyMap<string, Placed<GroupSettings | undefined>> | undefined;
  readonly teams: ReadonlyMap<string, Placed<GroupSettings | undefined>> | undefined;
  readonly rebalancing: readonly RebalancingRow[] | undefined;
  /** A mistake may hide a name of a group: what refers to one cannot be judged. */
  readonly groupsAreDoubtful: boolean;
}

const EXPIRY_DEFAULT_MS = 30_000;
const EXPIRY_MS = { least: 1_000, most: 3_600_000 } as const;
const REBALANCING_ROWS_MAX = 50;

type Caps = { readonly month?: NanoUsd; readonly year?: NanoUsd };

const CAP_HINTS = {
  month: "is spelled monthly",
  year: "is spelled yearly",
  daily: "there are caps per calendar month and year only",
  weekly: "there are caps per calendar month and year only",
};

/** Caps of a workspace, a team or a cost centre. */
export const periodCaps: Reader<Caps> = (field) => {
  const caps = fieldsOf(
    field,
    { monthly: dollars, yearly: dollars },
    {
      what: "these caps",
      hints: { ...CAP_HINTS, per_run: "a run belongs to one agent: per_run stands in its file" },
    },
  );
  if (caps === undefined) return undefined;
  const { monthly, yearly } = caps;
  warnWhenAbove(field, ["monthly", monthly], ["yearly", yearly]);
  return {
    ...(monthly === undefined ? {} : { month: monthly }),
    ...(yearly === undefined ? {} : { year: yearly }),
  };
};

type NamedCap = readonly [string, NanoUsd | undefined];

/** A cap above the cap that contains it never decides anything: no mistake, but rarely meant. */
export function warnWhenAbove(field: Field, inner: NamedCap, outer: NamedCap): void {
  if (inner[1] === undefined || outer[1] === undefined || inner[1] <= outer[1]) return;
  notice(field, `${inner[0]} is above ${outer[0]}, so it will never be the cap that decides`);
}

/** Hints shared with the agent's caps. */
export const capHints: Readonly<Record<string, string>> = CAP_HINTS;

const group: Reader<GroupSettings> = (field) => {
  // `customer-support:` with nothing after it only declares the name.
  if (field.node.kind === "empty") return { caps: {} };
  const read = fieldsOf(field, { title, caps: periodCaps }, { what: "a cost centre or team" });
  if (read === undefined) return undefined;
  return { caps: read.caps ?? {}, ...(read.title === undefined ? {} : { title: read.title }) };
};

const groups = mapOf(NAME_PATTERN, "names to their title and caps", group);

/** The words of the table; XL is no ceiling at all. */
const step = oneOf(REBALANCE_STEPS);
const STEPS_TIGHTEST_FIRST = ["shed", "S", "M", "L"] satisfies (typeof REBALANCE_STEPS)[number][];
const pace = quantityOf("a percentage like 80%", (text) => readPercent(text, 2));

const rebalancingRow: Reader<RebalancingRow> = (field) => {
  const row = fieldsOf(
    field,
    { pace_from: pace, P0: step, P1: step, P2: step, P3: step },
    { what: "a row of rebalancing", required: ["pace_from"] },
  );
  if (row?.pace_from === undefined) return undefined;
  const out: Record<string, unknown> = { pace_from: row.pace_from };
  for (const priority of PRIORITIES) {
    if (row[priority] !== undefined) out[priority] = row[priority];
  }
  return out as RebalancingRow;
};

const rebalancing: Reader<readonly RebalancingRow[]> = (field) => {
  const rows = listOf(placed(rebalancingRow), "rows", REBALANCING_ROWS_MAX)(field);
  if (rows === undefined) return undefined;
  let before: bigint | undefined;
  /** Per priority, the tightest ceiling of the rows so far: it holds on in the rows below. */
  const tightest = new Map<string, number>();
  for (const { value, field: place } of rows) {
    if (before !== undefined && value.pace_from <= before) {
      report(place, "pace_from must rise from row to row");
    }
    before = value.pace_from;
    for (const priority of PRIORITIES) {
      const ceiling = value[priority];
      if (ceiling === undefined) continue;
      const rank = STEPS_TIGHTEST_FIRST.indexOf(ceiling);
      const least = tightest.get(priority) ?? rank;
      if (rank > least) {
        const tighter = STEPS_TIGHTEST_FIRST[least];
        notice(
          place,
          `${priority} is held to ${tighter} by a row above: ${ceiling} changes nothing`,
        );
      }
      tightest.set(priority, Math.min(rank, least));
    }
  }
  return rows.map((row) => row.value);
};

const expiry: Reader<number> = (field) => {
  const ms = quantityOf("a duration like 30s", readDuration)(field);
  if (ms === undefined) return undefined;
  if (ms < EXPIRY_MS.least || ms > EXPIRY_MS.most) return report(field, "must be from 1s to 1h");
  return ms;
};

/** By the syntax of the two maps alone: a wrong cap in one of them hides no name. */
function groupsAreDoubtful({ node, reading }: Field): boolean {
  const { source, parsed } = reading;
  if (node.kind !== "map" || parsed.brokenFrom !== undefined) return true;
  return node.pairs.some(
    ({ key, value }) =>
      (key.text === "cost_centers" || key.text === "teams") &&
      (value.kind !== "map" || holdsFault(source, value, parsed.faultLines)),
  );
}

/** Reads `workspace.yaml`. */
export function readWorkspaceFile(reading: Reading): WorkspaceFile {
  const document = documentOf(reading);
  const file = fieldsOf(
    document,
    {
      workspace: placed(name),
      title,
      currency: oneOf(["USD"]),
      time_zone: placed(timeZone),
      caps: periodCaps,
      cost_centers: groups,
      teams: groups,
      rebalancing,
      expiry,
    },
    {
      what: "a workspace",
      required: ["workspace", "time_zone"],
      hints: {
        id: "the id of the workspace is spelled workspace: NAME",
        name: "the id of the workspace is spelled workspace: NAME; a name for people is a title",
        rules: "rules of the whole workspace stand in policy.yaml",
        agents: "agents stand in files of their own, agents/NAME.yaml",
        lanes: "lanes stand in lanes.yaml",
        providers: "providers stand in providers.yaml",
        rates: "rates stand in rates.yaml",
      },
    },
  );
  const settings =
    file?.time_zone === undefined
      ? undefined
      : {
          caps: file.caps ?? {},
          currency: file.currency ?? "USD",
          expiry_ms: file.expiry ?? EXPIRY_DEFAULT_MS,
          time_zone: file.time_zone.value,
          ...(file.title === undefined ? {} : { title: file.title }),
        };
  return {
    id: file?.workspace,
    settings,
    timeZone: file?.time_zone,
    costCenters: file?.cost_centers,
    teams: file?.teams,
    rebalancing: file?.rebalancing,
    groupsAreDoubtful: groupsAreDoubtful(document),
  };
}
