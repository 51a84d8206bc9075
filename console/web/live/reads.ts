/** What the live pages ask of the API about a workspace. */
import type { DecisionPage, DecisionRow, Overview, Seq } from "../../wire.ts";
import { query, request } from "../api.ts";
import type { Missing } from "./feed.ts";

const FILL_PAGE = 200;
/** Rows that one press loads; what is left keeps its mark. */
const FILL_MAX = 1_000;

const base = (ws: string) => `/api/workspaces/${encodeURIComponent(ws)}`;

/** The last fifteen minutes and the month. @throws ApiProblem */
export function readOverview(ws: string): Promise<Overview> {
  return request<Overview>(`${base(ws)}/overview${query({ minutes: 15 })}`);
}

/** A page of decisions from Postgres, the latest first. @throws ApiProblem */
export function readDecisions(
  ws: string,
  parameters: Readonly<Record<string, string | number | undefined>>,
): Promise<DecisionPage> {
  return request<DecisionPage>(`${base(ws)}/decisions${query(parameters)}`);
}

/** What was missing; `restTo` is the last entry of those that are missing still. */
export interface Found {
  readonly rows: readonly DecisionRow[];
  readonly restTo: bigint | undefined;
}

/** Loads the decisions among the entries of a mark, the latest first. @throws ApiProblem */
export async function readMissing(ws: string, missing: Missing): Promise<Found> {
  const rows: DecisionRow[] = [];
  let before: Seq | undefined = (missing.to + 1n).toString();
  const after = (missing.from - 1n).toString();
  while (before !== undefined && rows.length < FILL_MAX) {
    const page: DecisionPage = await readDecisions(ws, { after, before, limit: FILL_PAGE });
    rows.push(...page.rows);
    before = page.next_before;
    if (before !== undefined && BigInt(before) <= missing.from) before = undefined;
  }
  return { restTo: before === undefined ? undefined : BigInt(before) - 1n, rows };
}
