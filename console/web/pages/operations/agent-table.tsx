import { useSearchParams } from "@solidjs/router";
import {
  type ColumnDef,
  createSortedRowModel,
  createTable,
  rowSortingFeature,
  type SortingState,
  tableFeatures,
} from "@tanstack/solid-table";
import ArrowDown from "lucide-solid/icons/arrow-down";
import ArrowUp from "lucide-solid/icons/arrow-up";
import { createMemo, For, Index, type JSX, Match, Switch } from "solid-js";
import type { AgentRow } from "../../../wire.ts";
import { sumOf } from "../../format.ts";
import { AgentCells } from "./agent-cells.tsx";

const features = tableFeatures({ rowSortingFeature, sortedRowModel: createSortedRowModel() });
type Value = string | number | bigint;
type Column = ColumnDef<typeof features, AgentRow, unknown>;
type Direction = "ascending" | "descending" | undefined;

/** Columns of words begin at A, those of figures at the greatest. */
const WORDS: ReadonlySet<string> = new Set(["agent", "priority", "lane"]);
/** Columns that a narrow screen has room for. */
const NARROW: ReadonlySet<string> = new Set(["agent", "month", "last"]);

function column(id: string, header: string, accessorFn: (row: AgentRow) => Value): Column {
  return {
    accessorFn,
    header,
    id,
    sortDescFirst: !WORDS.has(id),
    sortFn: (a, b, columnId) => {
      const left = a.getValue<Value>(columnId);
      const right = b.getValue<Value>(columnId);
      return left < right ? -1 : left > right ? 1 : 0;
    },
  };
}

const committed = ({ settled_nano, held_nano }: AgentRow["month"]) =>
  sumOf([settled_nano, held_nano]);

/** In the order in which {@link AgentCells} shows them. */
const COLUMNS: Column[] = [
  column("agent", "Agent", ({ agent }) => agent),
  column("priority", "Priority", ({ priority }) => priority),
  column("lane", "Lane", ({ lane }) => `${lane.family} ${lane.provider} ${lane.region}`),
  column("calls", "Decisions, 24 h", ({ admits, throttles, holds }) => admits + throttles + holds),
  column("run", "Latest run", ({ run }) => (run === undefined ? -1n : committed(run))),
  column("month", "This month", ({ month }) => committed(month)),
  column("pace", "Pace", ({ month }) => BigInt(month.pace ?? "-1")),
  column("year", "This year", ({ year }) => committed(year)),
  column("last", "Last decision", ({ last_at }) => last_at ?? ""),
];

/** `-month` in the address is the month column, greatest first. */
function useSorting() {
  const [search, setSearch] = useSearchParams();
  const sorting = createMemo<SortingState>(() => {
    const text = typeof search["sort"] === "string" ? search["sort"] : "-month";
    const id = text.replace(/^-/, "");
    return COLUMNS.some((known) => known.id === id) ? [{ desc: text.startsWith("-"), id }] : [];
  });
  const setSorting = (next: SortingState) => {
    const [first] = next;
    setSearch({ sort: first === undefined ? null : `${first.desc ? "-" : ""}${first.id}` });
  };
  return { setSorting, sorting };
}

/** The agents in the order that the address asks for. */
export function AgentTable(props: { readonly rows: AgentRow[] }): JSX.Element {
  const { setSorting, sorting } = useSorting();
  const table = createTable({
    columns: COLUMNS,
    get data() {
      return props.rows;
    },
    enableSortingRemoval: false,
    features,
    getRowId: ({ agent }) => agent,
    onSortingChange: (updater) =>
      setSorting(typeof updater === "function" ? updater(sorting()) : updater),
    get state() {
      return { sorting: sorting() };
    },
  });
  const ordered = createMemo(() => {
    // Read here, so that a new order of the same rows is noticed.
    sorting();
    return table.getRowModel().rows.map(({ original }) => original);
  });
  const direction = (id: string): Direction => {
    const [first] = sorting();
    if (first?.id !== id) return undefined;
    return first.desc ? "descending" : "ascending";
  };
  return (
    <div class="overflow-x-auto rounded-lg border border-line">
      <table class="w-full border-collapse text-left">
        <caption class="sr-only">
          Agents with their budgets and decisions; the name of one leads to its decisions.
        </caption>
        <thead class="bg-surface">
          <tr class="border-b border-line">
            <For each={table.getHeaderGroups()[0]?.headers ?? []}>
              {(header) => (
                <ColumnHead
                  id={header.id}
                  name={String(header.column.columnDef.header)}
                  direction={direction(header.id)}
                  onSort={() => header.column.toggleSorting()}
                />
              )}
            </For>
          </tr>
        </thead>
        <tbody>
          <Index each={ordered()}>
            {(row) => (
              <tr class="border-b border-line last:border-b-0 hover:bg-hover">
                <AgentCells row={row()} />
              </tr>
            )}
          </Index>
        </tbody>
      </table>
    </div>
  );
}

function ColumnHead(props: {
  readonly id: string;
  readonly name: string;
  readonly direction: Direction;
  readonly onSort: () => void;
}): JSX.Element {
  const hidden = () => {
    if (props.id === "year") return "max-xl:hidden";
    return NARROW.has(props.id) ? "" : "max-md:hidden";
  };
  return (
    <th
      scope="col"
      aria-sort={props.direction ?? "none"}
      class={`px-3 py-0 first:pl-4 last:pr-4 ${hidden()}`}
    >
      <button
        type="button"
        class={`column-label inline-flex h-9 w-full items-center gap-1 whitespace-nowrap hover:text-text ${
          props.direction === undefined ? "" : "text-text"
        } ${WORDS.has(props.id) ? "" : "flex-row-reverse"}`}
        onClick={() => props.onSort()}
      >
        {props.name}
        <Switch>
          <Match when={props.direction === "descending"}>
            <ArrowDown size={12} aria-hidden="true" />
          </Match>
          <Match when={props.direction === "ascending"}>
            <ArrowUp size={12} aria-hidden="true" />
          </Match>
        </Switch>
      </button>
    </th>
  );
}
