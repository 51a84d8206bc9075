import { NAME_PATTERN } from "../../ledger/ids.ts";
import { DEFAULT_REBALANCING } from "../../ledger/policy.ts";
import { type Lane, laneKey } from "../../ledger/price-card.ts";
import {
  type ConfigChange,
  configChange,
  type GroupSettings,
  type PolicySettings,
} from "../../ledger/workspace-config.ts";
import { type AgentContext, agentChanges, checkAgentNames } from "./agent-changes.ts";
import { type AgentFile, readAgentFile } from "./agent-file.ts";
import type { Field, Placed, Reading } from "./fields.ts";
import { report } from "./fields.ts";
import type { FileKind, WorkspaceFileText } from "./find-files.ts";
import { knownNames, type LaneOverride, type LanesFile, readLanesFile } from "./lanes-file.ts";
import { readPolicyFile } from "./policy-file.ts";
import { type ProviderSettings, readProvidersFile } from "./providers-file.ts";
import { type ContractRate, readRatesFile } from "./rates-file.ts";
import {
  type FileProblem,
  type Place,
  placeOf,
  sortedProblems,
  sourceFile,
  wholeFileProblem,
} from "./source-file.ts";
import { changeBytes, ENTRY_CHANGES_BYTES_MAX, policyBytes } from "./stage-changes.ts";
import { readWorkspaceFile, type WorkspaceFile } from "./workspace-file.ts";
import { parseYaml } from "./yaml-tree.ts";

/** What is in force in the workspace already, as far as files may refer to it. */
export interface ExistingConfig {
  readonly costCenters: readonly string[];
  readonly teams: readonly string[];
  readonly frozenAgents?: readonly string[];
  /** Gives the half of the policy that the set leaves out. */
  readonly policy?: PolicySettings;
}

export interface LoadOptions {
  /** The lane catalogue; `lanes.yaml` of the set overrides it lane by lane. */
  readonly lanes: readonly Lane[];
  /** A workspace that there is: agents' files can then be applied without `workspace.yaml`. */
  readonly workspace?: string;
  /**
   * To be left out only for a workspace that is new (`existingOf` of load.ts finds out): a cost centre
   * that is not named here and that an agent names comes about without caps, in place of any it had.
   */
  readonly existing?: ExistingConfig;
  /** For rates that have a first day; the present by default. */
  readonly now?: Date;
}

/** A set of files without a mistake, as what the engine is to be told. */
export interface LoadedWorkspace {
  readonly workspace: string;
  /** Workspace, cost centres, teams, agents; each sort by id. A set never removes anything. */
  readonly changes: readonly ConfigChange[];
  /** Absent when the set has neither `policy.yaml` nor a rebalancing table: then it stays. */
  readonly policy?: PolicySettings;
  readonly lanesOverrides?: readonly LaneOverride[];
  readonly rates?: readonly ContractRate[];
  readonly providers?: readonly ProviderSettings[];
  /** `file:line: …`, for the user to know; none of them is a mistake. */
  readonly notices: readonly string[];
  /**
   * Where each change stands, by item and id: `agent:NAME`, `cost_center:NAME`, `provider:NAME`, …; and
   * of the fields that cannot change once they are set, `agent:NAME/lane` and `workspace:ID/time_zone`.
   */
  readonly sources: ReadonlyMap<string, Place>;
}

export type LoadResult = LoadedWorkspace | { readonly problems: readonly FileProblem[] };

/** The key of a change, or of a part of it, in `sources`. */
export function sourceKey(change: ConfigChange, part?: "lane" | "time_zone"): string {
  return `${change.item}:${change.id}${part === undefined ? "" : `/${part}`}`;
}

/** Files of a set as {@link readSet} takes them. */
export interface FileSet {
  readonly files: readonly WorkspaceFileText[];
  readonly bareDirectories: readonly string[];
  readonly unread: ReadonlySet<FileKind>;
}

function fieldPlace(field: Field): Place {
  return placeOf(field.reading.source, field.node.start);
}

/** The day in a zone, `YYYY-MM-DD`. */
function dayIn(timeZone: string, now: Date): string {
  // Sweden writes dates as ISO 8601 does.
  return new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short" }).format(now);
}

/** Reads one set; each part adds what is wrong to `problems`, and the rest goes on. */
class SetReader {
  readonly problems: FileProblem[] = [];
  readonly notices: string[] = [];
  readonly #set: FileSet;
  readonly #options: LoadOptions;
  readonly #readings: ReadonlyMap<FileKind, readonly Reading[]>;
  readonly #sources = new Map<string, Place>();
  readonly #changes: ConfigChange[] = [];

  constructor(set: FileSet, options: LoadOptions) {
    this.#set = set;
    this.#options = options;
    const readings = Map.groupBy(set.files, (file) => file.kind);
    this.#readings = new Map(
      [...readings].map(([kind, files]) => [kind, files.map((file) => this.#open(file))]),
    );
  }

  read(): LoadedWorkspace | undefined {
    const file = this.#one("workspace", readWorkspaceFile);
    const workspace = this.#workspaceId(file);
    const rules = this.#one("policy", readPolicyFile);
    const lanesFile = this.#one("lanes", (one) => readLanesFile(one, this.#options.lanes));
    const lanes = this.#lanesInForce(lanesFile?.overrides ?? []);
    const today = dayIn(file?.timeZone?.value ?? "UTC", this.#options.now ?? new Date());
    const { priced, reached } = knownNames(lanes, lanesFile);
    const rates = this.#one("rates", (one) => readRatesFile(one, { providers: priced, today }));
    const providers = this.#one("providers", (one) => readProvidersFile(one, reached));
    for (const one of providers ?? []) this.#sources.set(`provider:${one.provider}`, one.place);
    if (file !== undefined) this.#addWorkspace(file);
    this.#addAgents(this.#agentContext(file, lanes, lanesFile));
    const policy = this.#policy(file, rules);
    if (this.problems.length > 0 || workspace === undefined) return undefined;
    return {
      workspace,
      changes: this.#changes,
      ...(policy === undefined ? {} : { policy }),
      ...(lanesFile === undefined ? {} : { lanesOverrides: lanesFile.overrides }),
      ...(rates === undefined ? {} : { rates }),
      ...(providers === undefined ? {} : { providers }),
      notices: this.notices,
      sources: this.#sources,
    };
  }

  #open(file: WorkspaceFileText): Reading {
    const source = sourceFile(file.shown, file.inSet, file.text, file.kind === "providers");
    const parsed = parseYaml(source);
    this.problems.push(...parsed.problems);
    return { source, parsed, problems: this.problems, notices: this.notices };
  }

  /** Reads the file of a kind that a set has once; of others only the mistakes count. */
  #one<T>(kind: FileKind, read: (reading: Reading) => T): T | undefined {
    const [first, ...others] = this.#readings.get(kind) ?? [];
    if (first === undefined) return undefined;
    const value = read(first);
    for (const other of others) {
      read(other);
      const message = `is a second ${kind}.yaml, beside ${first.source.shown}: give one of them`;
      this.problems.push(wholeFileProblem(other.source.shown, message));
    }
    return value;
  }

  #workspaceId(file: WorkspaceFile | undefined): string | undefined {
    const asked = this.#options.workspace;
    if (asked !== undefined && !NAME_PATTERN.test(asked)) {
      this.problems.push(wholeFileProblem("--workspace", "must be the name of a workspace"));
    }
    if (file === undefined) return this.#idWithoutFile(asked);
    const id = file.id?.value;
    if (file.id !== undefined && asked !== undefined && asked !== id) {
      report(file.id.field, `is not ${asked}, the workspace that was asked for`);
    }
    return id;
  }

  #idWithoutFile(asked: string | undefined): string | undefined {
    if (this.#set.unread.has("workspace")) return undefined;
    if (asked === undefined) {
      const how = "add one, or name a workspace that there is with --workspace";
      for (const directory of this.#set.bareDirectories) {
        this.problems.push(wholeFileProblem(directory, `holds no workspace.yaml: ${how}`));
      }
      const [first] = this.#set.files;
      if (this.#set.bareDirectories.length === 0 && first !== undefined) {
        const message = `for which workspace? Give its workspace.yaml too, or --workspace NAME`;
        this.problems.push(wholeFileProblem(first.shown, message));
      }
      return undefined;
    }
    for (const { kind, shown } of this.#set.files) {
      if (kind === "agent") continue;
      const message =
        "needs its workspace.yaml beside it: --workspace alone takes agents' files only";
      this.problems.push(wholeFileProblem(shown, message));
    }
    return asked;
  }

  #lanesInForce(overrides: readonly LaneOverride[]): readonly Lane[] {
    const lanes = new Map(this.#options.lanes.map((lane) => [laneKey(lane), lane]));
    for (const { lane } of overrides) lanes.set(laneKey(lane), lane);
    return [...lanes.values()];
  }

  #addWorkspace(file: WorkspaceFile): void {
    const { id, settings, timeZone } = file;
    if (id !== undefined && settings !== undefined) {
      const change = { id: id.value, item: "workspace", value: settings } as const;
      this.#add(change, id.field);
      if (timeZone !== undefined) this.#place(sourceKey(change, "time_zone"), timeZone.field);
    }
    this.#addGroups("cost_center", file.costCenters);
    this.#addGroups("team", file.teams);
  }

  #addGroups(
    item: "cost_center" | "team",
    groups: ReadonlyMap<string, Placed<GroupSettings | undefined>> = new Map(),
  ): void {
    for (const [id, { value, field }] of groups) {
      if (value !== undefined) this.#add({ id, item, value }, field);
    }
  }

  #agentContext(
    file: WorkspaceFile | undefined,
    lanes: readonly Lane[],
    lanesFile: LanesFile | undefined,
  ): AgentContext {
    const { existing } = this.#options;
    const anyLane = this.#set.unread.has("lanes") || lanesFile?.anyDoubtful === true;
    return {
      lanes,
      costCenters: new Set([
        ...(file?.costCenters?.keys() ?? []),
        ...(existing?.costCenters ?? []),
      ]),
      teams: new Set([...(file?.teams?.keys() ?? []), ...(existing?.teams ?? [])]),
      costCentersAreListed: file?.costCenters !== undefined,
      frozenAgents: new Set(existing?.frozenAgents),
      groupsAreDoubtful: file?.groupsAreDoubtful ?? this.#set.unread.has("workspace"),
      isDoubtfulLane: (lane) => anyLane || lanesFile?.isDoubtful(lane) === true,
    };
  }

  #addAgents(context: AgentContext): void {
    const agents = (this.#readings.get("agent") ?? []).map(readAgentFile);
    checkAgentNames(agents);
    for (const agent of agents) this.#addAgent(agent, context);
    const order = ["workspace", "cost_center", "team", "agent"];
    this.#changes.sort(
      (a, b) => order.indexOf(a.item) - order.indexOf(b.item) || (a.id < b.id ? -1 : 1),
    );
  }

  #addAgent(file: AgentFile, context: AgentContext): void {
    const { agent, costCenter } = agentChanges(file, context);
    if (costCenter !== undefined && file.costCenter !== undefined) {
      const isNew = !this.#sources.has(sourceKey(costCenter));
      if (isNew) this.#add(costCenter, file.costCenter.field);
    }
    if (agent === undefined || file.id === undefined) return;
    this.#add(agent, file.id.field);
    if (file.lane !== undefined) this.#place(sourceKey(agent, "lane"), file.lane.field);
  }

  #place(key: string, field: Field): void {
    if (!this.#sources.has(key)) this.#sources.set(key, fieldPlace(field));
  }

  /** Adds a change that the engine will take: its own schema and the size of an entry have the last word. */
  #add(change: ConfigChange, field: Field): void {
    this.#place(sourceKey(change), field);
    this.#changes.push(change);
    const problems: string[] = [];
    configChange.read(JSON.parse(configChange.write(change)), "", problems);
    for (const problem of problems) report(field, `the engine would not take this: ${problem}`);
    if (changeBytes(change) > ENTRY_CHANGES_BYTES_MAX) {
      report(field, `is too large for one entry of the ledger: shorten its rules`);
    }
  }

  #policy(
    file: WorkspaceFile | undefined,
    rules: PolicySettings["rules"] | undefined,
  ): PolicySettings | undefined {
    if (rules === undefined && file?.rebalancing === undefined) return undefined;
    const { policy: existing } = this.#options.existing ?? {};
    const policy = {
      rebalancing: file?.rebalancing ?? existing?.rebalancing ?? DEFAULT_REBALANCING,
      rules: rules ?? existing?.rules ?? [],
    };
    const [reading] = this.#readings.get("policy") ?? this.#readings.get("workspace") ?? [];
    if (policyBytes(policy) > ENTRY_CHANGES_BYTES_MAX && reading !== undefined) {
      const message = "the rules together are too large for one entry of the ledger: shorten them";
      this.problems.push(wholeFileProblem(reading.source.shown, message));
    }
    return policy;
  }
}

/** The workspace that a set is about, when that can be said before anything is checked. */
export function workspaceNamedBy(set: FileSet): string | undefined {
  const file = set.files.find(({ kind }) => kind === "workspace");
  if (file === undefined) return undefined;
  const { root } = parseYaml(sourceFile(file.shown, file.inSet, file.text, false));
  const pairs = root.kind === "map" ? root.pairs : [];
  const value = pairs.find(({ key }) => key.text === "workspace")?.value;
  return value?.kind === "text" && NAME_PATTERN.test(value.text) ? value.text : undefined;
}

/** Reads a set of files: all of it without a mistake, or every mistake and nothing else. */
export function readSet(
  set: FileSet,
  options: LoadOptions,
  before: readonly FileProblem[] = [],
): LoadResult {
  const reader = new SetReader(set, options);
  const loaded = reader.read();
  const problems = [...before, ...reader.problems];
  if (loaded !== undefined && problems.length === 0) return loaded;
  return { problems: sortedProblems(problems) };
}
