import type { Answer } from "../actors/commands.ts";
import type { ConfigChange } from "../ledger/workspace-config.ts";
import { buildPriceCard, type PriceCard } from "../prices/card.ts";
import { applyPriceFiles } from "../prices/contract-rates.ts";
import type { EngineSession } from "./engine-session.ts";
import { Failure } from "./output.ts";
import { CACHE_LAG_MS, configSeqOf, type PushResult, pushConfig } from "./push-config.ts";
import type { CredentialReference } from "./workspace-files/credential-references.ts";
import { hasProblems, loadWorkspaceFiles } from "./workspace-files/load.ts";
import type { ExistingConfig, LoadedWorkspace } from "./workspace-files/read-set.ts";
import { renderProblems } from "./workspace-files/render-problems.ts";
import type { FileProblem, Place } from "./workspace-files/source-file.ts";

export interface ApplyFilesOptions {
  readonly paths: readonly string[];
  /** Who applies; stands in the entries. */
  readonly by: string;
  /** A workspace that there is, when agents' files are applied alone. */
  readonly workspace?: string;
}

export interface AppliedFiles {
  readonly ws: string;
  readonly configSeq: bigint;
  readonly agents: readonly string[];
  readonly changes: number;
  readonly notices: readonly string[];
}

/** Files that cannot be applied: every mistake in them, with file and line. */
export class FilesRefused extends Failure {
  readonly problems: readonly FileProblem[];

  constructor(problems: readonly FileProblem[]) {
    super(renderProblems(problems, { color: process.stderr.isTTY }).trimEnd());
    this.problems = problems;
  }
}

/** Reads workspace files and puts them in force, all or nothing. @throws FilesRefused, Failure */
export async function applyFiles(
  session: EngineSession,
  options: ApplyFilesOptions,
): Promise<AppliedFiles> {
  const builtIn = buildPriceCard();
  const loaded = await loadWorkspaceFiles(options.paths, {
    existingOf: (workspace) => existingConfig(session, workspace),
    lanes: builtIn.lanes,
    ...(options.workspace === undefined ? {} : { workspace: options.workspace }),
  });
  if (hasProblems(loaded)) throw new FilesRefused(loaded.problems);
  const changes = [...loaded.changes, ...providerChanges(loaded)];
  const answer = await pushConfig(session, {
    by: options.by,
    card: cardOf(builtIn, loaded),
    changes,
    ws: loaded.workspace,
    ...(loaded.policy === undefined ? {} : { policy: loaded.policy }),
  });
  if (answer.kind === "refused") throw refusedByEngine(answer, loaded);
  return {
    agents: loaded.changes.filter(({ item }) => item === "agent").map(({ id }) => id),
    changes: changes.length,
    configSeq: answer.seq,
    notices: loaded.notices,
    ws: loaded.workspace,
  };
}

/** What files may refer to of a workspace that is there; `undefined` for a new one. */
async function existingConfig(
  session: EngineSession,
  workspace: string,
): Promise<ExistingConfig | undefined> {
  const config = await session.config();
  const seq = await configSeqOf(session, workspace);
  if (!(await config.whenAtLeast(workspace, seq, CACHE_LAG_MS))) {
    throw new Failure(`The configuration of ${workspace} is not to be read yet. Try again.`);
  }
  const known = config.workspace(workspace);
  if (known === undefined) return undefined;
  const agents = [...config.agents(workspace)];
  return {
    costCenters: known.cost_centers,
    frozenAgents: agents.filter(([, { settings }]) => settings.frozen).map(([id]) => id),
    policy: known.policy,
    teams: known.teams,
  };
}

function providerChanges(loaded: LoadedWorkspace): ConfigChange[] {
  return (loaded.providers ?? []).map(
    (provider): ConfigChange => ({
      id: provider.provider,
      item: "provider",
      value: {
        ...(provider.base_url === undefined ? {} : { base_url: provider.base_url }),
        ...(provider.credential === undefined
          ? {}
          : { credential: referenceText(provider.credential) }),
      },
    }),
  );
}

/** A credential's reference as it is written: what the gateway resolves. */
function referenceText(reference: CredentialReference): string {
  switch (reference.from) {
    case "env":
      return `env:${reference.name}`;
    case "file":
      return `file:${reference.path}`;
    case "exec":
      return `exec:${reference.command}`;
    case "passthrough":
      return "passthrough";
  }
}

/** The card that the files ask for: the built-in one with their lanes and contract rates. */
function cardOf(builtIn: PriceCard, loaded: LoadedWorkspace): PriceCard {
  const lanes = loaded.lanesOverrides ?? [];
  const rates = loaded.rates ?? [];
  const result = applyPriceFiles(builtIn, { lanes, rates });
  if (result.ok) return result.card;
  throw new FilesRefused(
    result.problems.map(({ file, message, path }) => {
      const at = Number(path[0]);
      const row = file === "lanes" ? lanes[at] : rates[at];
      const place: Place = row?.place ?? { column: 0, file: `${file}.yaml`, line: 0 };
      return { ...place, message, path: path.join(".") };
    }),
  );
}

/** Puts file and line to the engine's own refusals, such as a lane that is frozen. */
function refusedByEngine(
  answer: Extract<PushResult | Answer, { readonly kind: "refused" }>,
  loaded: LoadedWorkspace,
): Failure {
  const lines = (answer.problems ?? []).map((problem) => {
    const place = placeOf(problem, loaded.sources);
    return place === undefined ? problem : `${place.file}:${place.line}: ${problem}`;
  });
  return new Failure([answer.message, ...lines].join("\n"));
}

/** The line that an engine's problem is about: it names the item first. */
function placeOf(problem: string, sources: ReadonlyMap<string, Place>): Place | undefined {
  const frozen = /^lane of agent (\S+)/.exec(problem);
  if (frozen !== null) return sources.get(`agent:${frozen[1]}/lane`);
  const named = /^(agent|provider) (\S+):/.exec(problem);
  if (named !== null) return sources.get(`${named[1]}:${named[2]}`);
  if (problem.startsWith("workspace: time_zone")) {
    return [...sources].find(([key]) => key.endsWith("/time_zone"))?.[1];
  }
  return undefined;
}
