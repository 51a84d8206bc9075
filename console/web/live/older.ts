/** Decisions before those that the feed has, a page at a time, as somebody scrolls down to them. */
import { type Accessor, createSignal } from "solid-js";
import type { DecisionRow, Seq } from "../../wire.ts";
import { ApiProblem } from "../api.ts";
import type { FeedFilter } from "./feed.ts";
import { readDecisions } from "./reads.ts";

const PAGE = 100;
/** Pages that may come back empty in a row, since a rare filter is searched a stretch at a time. */
const EMPTY_MAX = 5;

export interface Older {
  /** The latest first. */
  readonly rows: Accessor<readonly DecisionRow[]>;
  readonly state: Accessor<"idle" | "loading" | "end">;
  readonly problem: Accessor<ApiProblem | undefined>;
  /** Loads the next page, behind `before` the first time. */
  readonly more: (before: Seq | undefined) => void;
  readonly clear: () => void;
}

/** Pages of what Postgres has of a workspace under a filter. */
export function createOlder(ws: Accessor<string>, filter: Accessor<FeedFilter>): Older {
  const [rows, setRows] = createSignal<readonly DecisionRow[]>([]);
  const [state, setState] = createSignal<"idle" | "loading" | "end">("idle");
  const [problem, setProblem] = createSignal<ApiProblem | undefined>();
  let next: Seq | undefined;
  /** Raised by `clear`, so that a page that was asked for before does not come in after. */
  let generation = 0;

  const load = async (before: Seq | undefined) => {
    const asked = generation;
    let from = next ?? before;
    for (let empty = 0; empty < EMPTY_MAX; empty += 1) {
      const page = await readDecisions(ws(), { ...filter(), before: from, limit: PAGE });
      if (asked !== generation) return;
      next = page.next_before;
      from = next;
      setRows((known) => [...known, ...page.rows]);
      if (next === undefined || page.rows.length > 0) break;
    }
    setState(next === undefined ? "end" : "idle");
  };
  return {
    clear: () => {
      generation += 1;
      next = undefined;
      setRows([]);
      setState("idle");
      setProblem(undefined);
    },
    more: (before) => {
      if (state() !== "idle") return;
      setState("loading");
      setProblem(undefined);
      load(before).catch((cause: unknown) => {
        setProblem(cause instanceof ApiProblem ? cause : new ApiProblem("internal", String(cause)));
        setState("idle");
      });
    },
    problem,
    rows,
    state,
  };
}
