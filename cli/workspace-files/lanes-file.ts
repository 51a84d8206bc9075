import {
  APIS,
  type Api,
  type Lane,
  type LaneTier,
  laneKey,
  TIERS,
  type Tier,
} from "../../ledger/price-card.ts";
import { MODALITIES, type Modality } from "../../ledger/usage.ts";
import { laneWord } from "./agent-file.ts";
import { readTokens } from "./amounts.ts";
import {
  documentOf,
  type Field,
  fieldsOf,
  listOf,
  mapOf,
  oneOf,
  type Placed,
  placed,
  quantityOf,
  type Reader,
  type Reading,
  report,
  textOf,
} from "./fields.ts";
import { type Place, placeOf } from "./source-file.ts";

/** Limits of a tier's model that a workspace states itself; what is absent stays as published. */
export interface TierLimits {
  readonly tier: Tier;
  readonly model: string;
  /** Longest prompt plus output, in tokens. */
  readonly window?: bigint;
  /** Largest output of one choice, in tokens. */
  readonly output_max?: bigint;
  readonly modalities?: readonly Modality[];
}

/** A lane of `lanes.yaml`: it takes the place of the catalogue's lane of the same name, whole. */
export interface LaneOverride {
  readonly lane: Lane;
  /** One per tier, in the order of the lane's. */
  readonly limits: readonly TierLimits[];
  readonly place: Place;
}

const LANES_MAX = 200;
const ALIASES_MAX = 50;

const modelName = textOf(200);
const tokens = quantityOf("a number of tokens", readTokens);

interface TierRow {
  readonly limits: Omit<TierLimits, "tier">;
  readonly aliases: readonly Placed<string>[];
}

const tierRow: Reader<TierRow> = (field) => {
  // `S: claude-haiku-4-5` is a tier of which only the model is stated.
  if (field.node.kind === "text") {
    const model = modelName(field);
    return model === undefined ? undefined : { limits: { model }, aliases: [] };
  }
  const row = fieldsOf(
    field,
    {
      model: modelName,
      aliases: listOf(placed(modelName), "aliases", ALIASES_MAX),
      window: tokens,
      output_max: tokens,
      modalities: listOf(oneOf(MODALITIES), "modalities", MODALITIES.length),
    },
    { what: "a tier", required: ["model"] },
  );
  if (row?.model === undefined) return undefined;
  const { window, output_max, modalities } = row;
  if (window !== undefined && output_max !== undefined && output_max > window) {
    report(field, "output_max is above window: the output is part of it");
  }
  return {
    limits: {
      model: row.model,
      ...(window === undefined ? {} : { window }),
      ...(output_max === undefined ? {} : { output_max }),
      ...(modalities === undefined ? {} : { modalities: [...new Set(modalities)].sort() }),
    },
    aliases: row.aliases ?? [],
  };
};

const tierRows = mapOf(/^(S|M|L|XL)$/, "tiers (S, M, L, XL) to their models", tierRow);

const laneRow = (field: Field) =>
  fieldsOf(
    field,
    {
      provider: laneWord,
      family: laneWord,
      region: laneWord,
      api: oneOf(APIS),
      prices: laneWord,
      tiers: tierRows,
    },
    { what: "a lane", required: ["provider", "family", "region", "tiers"] },
  );

/** Each name that a client may call means one tier. */
function checkNames(rows: ReadonlyMap<string, Placed<TierRow | undefined>>): void {
  const seen = new Map<string, string>();
  for (const [tier, { value, field }] of rows) {
    if (value === undefined) continue;
    const names = [{ value: value.limits.model, field }, ...value.aliases];
    for (const name of names) {
      const first = seen.get(name.value);
      if (first !== undefined)
        report(name.field, `${name.value} is already a name of tier ${first}`);
      seen.set(name.value, tier);
    }
  }
}

/** API and price list of a lane: its own words, else those of the catalogue's lane of that name. */
function surroundings(
  field: Field,
  row: { readonly api?: Api | undefined; readonly prices?: string | undefined } | undefined,
  base: Lane | undefined,
): Pick<Lane, "api" | "prices"> | undefined {
  const api = row?.api ?? base?.api;
  const prices = row?.prices ?? base?.prices;
  if (api !== undefined && prices !== undefined) return { api, prices };
  // By what is written: an `api` with a mistake is not missing.
  const keys = field.node.kind === "map" ? field.node.pairs.map(({ key }) => key.text) : [];
  const missing = ["api", "prices"].filter((name) => !keys.includes(name));
  if (missing.length === 0) return undefined;
  return report(field, `a lane that the catalogue does not have needs ${missing.join(" and ")}`);
}

/** The three words of a lane's name. */
export interface LaneName {
  readonly provider: string;
  readonly family: string;
  readonly region: string;
}

/** A lane's name as far as it could be read. */
export type PartOfLaneName = { readonly [K in keyof LaneName]?: string | undefined };

/** What `lanes.yaml` says. */
export interface LanesFile {
  readonly overrides: readonly LaneOverride[];
  /** Lanes that are in the file with a mistake. */
  readonly doubtful: readonly PartOfLaneName[];
  /** Any lane could be in the file. */
  readonly anyDoubtful: boolean;
  /** True for a lane that one of the doubtful could be: agents on it cannot be judged yet. */
  isDoubtful(lane: LaneName): boolean;
}

function tiersOf(rows: ReadonlyMap<string, Placed<TierRow | undefined>>): {
  readonly limits: readonly TierLimits[];
  readonly tiers: readonly LaneTier[];
} {
  const limits: TierLimits[] = [];
  const tiers: LaneTier[] = [];
  for (const tier of TIERS) {
    const value = rows.get(tier)?.value;
    if (value === undefined) continue;
    limits.push({ tier, ...value.limits });
    const aliases = value.aliases.map((alias) => alias.value);
    tiers.push({ tier, model: value.limits.model, aliases });
  }
  return { limits, tiers };
}

/** One element of `lanes`: its name as far as it can be read, and the lane when nothing is wrong in it. */
interface ReadLane {
  readonly name: PartOfLaneName;
  readonly override: LaneOverride | undefined;
}

function readLane(field: Field, catalogue: readonly Lane[]): ReadLane {
  const { problems, source } = field.reading;
  const before = problems.length;
  const row = laneRow(field);
  if (row?.tiers?.size === 0) report(field, "a lane has at least one tier");
  if (row?.tiers !== undefined) checkNames(row.tiers);
  const { provider, family, region } = row ?? {};
  if (provider === undefined || family === undefined || region === undefined) {
    return { name: { provider, family, region }, override: undefined };
  }
  const name = { provider, family, region };
  const base = catalogue.find((lane) => laneKey(lane) === laneKey(name));
  const around = surroundings(field, row, base);
  if (row?.tiers === undefined || around === undefined || problems.length > before) {
    return { name, override: undefined };
  }
  const { limits, tiers } = tiersOf(row.tiers);
  const place = placeOf(source, field.node.start);
  return { name, override: { lane: { ...name, ...around, tiers }, limits, place } };
}

/** Reports every lane that stands in the file twice. */
function checkTwice(lanes: readonly Placed<ReadLane>[]): void {
  const lines = new Map<string, number>();
  for (const { value, field } of lanes) {
    const { provider, family, region } = value.name;
    if (provider === undefined || family === undefined || region === undefined) continue;
    const key = laneKey({ provider, family, region });
    const first = lines.get(key);
    if (first !== undefined) report(field, `${key} stands here twice, first in line ${first}`);
    else lines.set(key, placeOf(field.reading.source, field.node.start).line);
  }
}

/** Reads `lanes.yaml`. */
export function readLanesFile(reading: Reading, catalogue: readonly Lane[]): LanesFile {
  const read = placed((field) => readLane(field, catalogue));
  const file = fieldsOf(
    documentOf(reading),
    { lanes: listOf(read, "lanes", LANES_MAX) },
    { what: "lanes.yaml", required: ["lanes"] },
  );
  const lanes = file?.lanes ?? [];
  checkTwice(lanes);
  const { brokenFrom, faultLines } = reading.parsed;
  const doubtful = lanes
    .filter(({ value }) => value.override === undefined)
    .map(({ value }) => value.name);
  return {
    overrides: lanes.flatMap(({ value }) => value.override ?? []),
    doubtful,
    anyDoubtful: file?.lanes === undefined || brokenFrom !== undefined || faultLines.size > 0,
    isDoubtful: (lane) => doubtful.some((part) => couldBe(part, lane)),
  };
}

function couldBe(part: PartOfLaneName, lane: LaneName): boolean {
  const words = ["provider", "family", "region"] as const;
  return words.every((word) => part[word] === undefined || part[word] === lane[word]);
}

/** Names that rates and providers may use; `undefined` while a lane with mistakes could add one. */
export function knownNames(
  lanes: readonly Lane[],
  lanesFile: LanesFile | undefined,
): {
  readonly priced: ReadonlySet<string> | undefined;
  readonly reached: ReadonlySet<string> | undefined;
} {
  const doubtful = lanesFile?.doubtful ?? [];
  const anyDoubtful = lanesFile?.anyDoubtful === true || doubtful.some((lane) => !lane.provider);
  const priced = new Set(lanes.map((lane) => lane.prices));
  const reached = new Set(lanes.map((lane) => lane.provider));
  for (const { provider } of doubtful) if (provider !== undefined) reached.add(provider);
  return {
    priced: anyDoubtful || doubtful.length > 0 ? undefined : priced,
    reached: anyDoubtful ? undefined : reached,
  };
}
