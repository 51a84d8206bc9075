/**
 * The decisions, the latest on top. Scrolling down holds the list still, so that nothing moves
 * under the eye; a pill counts what came meanwhile, and going back to the top lets it go on.
 */
import { createVirtualizer } from "@tanstack/solid-virtual";
import ArrowUp from "lucide-solid/icons/arrow-up";
import {
  batch,
  createEffect,
  createMemo,
  createSignal,
  Index,
  type JSX,
  Match,
  on,
  onCleanup,
  Show,
  Switch,
} from "solid-js";
import type { Seq } from "../../../wire.ts";
import { count, zoneName } from "../../format.ts";
import { type FeedFilter, type FeedItem, filled, type Missing, passes } from "../../live/feed.ts";
import { createOlder } from "../../live/older.ts";
import { useLive } from "../../live/store.tsx";
import { useSession } from "../../session.tsx";
import { Empty, EmptyByFilter, Notice } from "../../ui/states.tsx";
import { DecisionCells, MissingCells, STREAM_COLUMNS } from "./live-row.tsx";

const ROW_PX = 36;
/** Two lines on a narrow screen. */
const ROW_NARROW_PX = 60;
/** Scrolled further than this, the list holds still. */
const HOLD_PX = 8;
/** Rows before the end at which older ones are asked for. */
const MORE_ROWS = 20;
const narrow = window.matchMedia("(max-width: 767px)");

export function LiveStream(props: {
  readonly filter: FeedFilter;
  readonly onClear: () => void;
}): JSX.Element {
  const live = useLive();
  const list = createList(() => props.filter);
  let scroller: HTMLDivElement | undefined;
  const virtual = createRows(list, () => scroller ?? null);
  const toTop = () => {
    batch(() => {
      list.release();
      live.resume();
    });
    scroller?.scrollTo({ top: 0 });
  };
  const onScroll = () => ((scroller?.scrollTop ?? 0) > HOLD_PX ? list.hold() : list.release());

  return (
    <div class="relative flex min-h-96 flex-1 flex-col overflow-hidden rounded-lg border border-line md:min-h-48">
      <Show when={list.fresh() > 0 || live.paused()}>
        <div class="absolute inset-x-0 top-10 z-20 flex justify-center">
          <button
            type="button"
            class="button button-strong figures rounded-full shadow-overlay"
            onClick={toTop}
          >
            <ArrowUp size={14} aria-hidden="true" />
            {list.fresh() > 0 ? `${count(list.fresh())} new` : "Resume"}
          </button>
        </div>
      </Show>
      <div
        ref={(element) => {
          scroller = element;
        }}
        role="table"
        tabindex="0"
        aria-label="Decisions, the latest first"
        aria-rowcount={list.size() + 1}
        aria-live="off"
        class="min-h-0 flex-1 overflow-y-auto -outline-offset-2 [contain:strict]"
        onScroll={onScroll}
      >
        <StreamHead />
        <div role="rowgroup" class="relative" style={{ height: `${virtual.getTotalSize()}px` }}>
          <Index each={virtual.getVirtualItems()}>
            {(place) => (
              <div
                role="row"
                aria-rowindex={place().index + 2}
                class={`${STREAM_COLUMNS} absolute inset-x-0 top-0 border-b border-line hover:bg-hover`}
                style={{
                  height: `${place().size}px`,
                  transform: `translateY(${place().start}px)`,
                }}
              >
                <StreamRow item={list.at(place().index)} onFill={list.fill} />
              </div>
            )}
          </Index>
        </div>
        <StreamEnd
          list={list}
          filtered={Object.keys(props.filter).length > 0}
          onClear={props.onClear}
        />
      </div>
    </div>
  );
}

/** The few rows that are in the page, of as many as the list has. */
function createRows(list: List, scroller: () => HTMLDivElement | null) {
  const [rowPx, setRowPx] = createSignal(narrow.matches ? ROW_NARROW_PX : ROW_PX);
  const virtual = createVirtualizer({
    get count() {
      return list.size();
    },
    estimateSize: () => rowPx(),
    getScrollElement: scroller,
    overscan: 4,
  });
  const fit = () => {
    setRowPx(narrow.matches ? ROW_NARROW_PX : ROW_PX);
    virtual.measure();
  };
  narrow.addEventListener("change", fit);
  onCleanup(() => narrow.removeEventListener("change", fit));
  createEffect(() => {
    const last = virtual.getVirtualItems().at(-1)?.index ?? -1;
    if (last >= list.size() - MORE_ROWS) list.more();
  });
  return virtual;
}

/** The names of the columns; a narrow screen has rows that explain themselves. */
function StreamHead(): JSX.Element {
  const { zone } = useSession();
  const live = useLive();
  return (
    <div
      role="row"
      aria-rowindex={1}
      class={`${STREAM_COLUMNS} column-label sticky top-0 z-10 h-8 border-b border-line bg-surface max-md:hidden`}
    >
      <span role="columnheader">Time, {zoneName(zone(), live.now())}</span>
      <span role="columnheader">Outcome</span>
      <span role="columnheader">Agent</span>
      <span role="columnheader">Rule and reason</span>
      <span role="columnheader">Tier</span>
      <span role="columnheader">Model</span>
      <span role="columnheader" class="text-right">
        Set aside
      </span>
      <span role="columnheader" class="text-right">
        Budget left
      </span>
      <span role="columnheader" class="sr-only">
        Receipt
      </span>
    </div>
  );
}

function StreamRow(props: {
  readonly item: FeedItem | undefined;
  readonly onFill: (missing: Missing) => Promise<void>;
}): JSX.Element {
  const decision = () => (props.item?.kind === "decision" ? props.item.row : undefined);
  const missing = () => (props.item?.kind === "missing" ? props.item : undefined);
  return (
    <Switch>
      <Match when={decision()}>{(row) => <DecisionCells row={row()} />}</Match>
      <Match when={missing()}>
        {(mark) => <MissingCells missing={mark()} onFill={props.onFill} />}
      </Match>
    </Switch>
  );
}

/** Below the last row: nothing there, nothing under this filter, more to come, or the beginning. */
function StreamEnd(props: {
  readonly list: List;
  readonly filtered: boolean;
  readonly onClear: () => void;
}): JSX.Element {
  const { older } = props.list;
  return (
    <Switch>
      <Match when={older.problem()}>
        {(problem) => (
          <div class="p-3">
            <Notice tone="bad">
              <span>Older decisions could not be loaded: {problem().message}</span>
              <button type="button" class="button" onClick={() => props.list.more()}>
                Try again
              </button>
            </Notice>
          </div>
        )}
      </Match>
      <Match when={props.list.size() === 0 && older.state() === "end"}>
        <Show
          when={props.filtered}
          fallback={
            <Empty title="No decision yet">
              <p>
                Point a client at the gateway: the commands that{" "}
                <code class="font-mono">npm start</code> prints at its end work as they are. The
                first call shows up here within a second.
              </p>
            </Empty>
          }
        >
          <EmptyByFilter what="decisions" onClear={props.onClear} />
        </Show>
      </Match>
      <Match when={older.state() === "loading"}>
        <p role="status" class="p-3 text-center text-muted">
          Loading older decisions…
        </p>
      </Match>
      <Match when={older.state() === "end"}>
        <p class="p-3 text-center text-xs text-muted">The ledger begins here.</p>
      </Match>
    </Switch>
  );
}

type List = ReturnType<typeof createList>;

/** What the rows show: the feed, or how it stood when the list was held, and older pages behind it. */
function createList(filter: () => FeedFilter) {
  const live = useLive();
  const { ws } = useSession();
  const older = createOlder(ws, filter);
  const [held, setHeld] = createSignal<{ items: readonly FeedItem[]; received: number }>();

  const filtering = () => filter().outcome !== undefined || filter().agent !== undefined;
  const items = createMemo(
    () => {
      const all = held()?.items ?? live.items();
      return filtering() ? all.filter((item) => passes(item, filter())) : all;
    },
    undefined,
    { equals: false },
  );
  // Rows that leave the feed would open a hole before the older ones: those begin anew.
  createEffect(
    on([live.evicted, ws], () => held() === undefined && older.clear(), { defer: true }),
  );

  const oldest = (): Seq | undefined => {
    const first = (held()?.items ?? live.items())[0];
    if (first === undefined) return undefined;
    return (first.kind === "decision" ? first.seq : first.from).toString();
  };
  return {
    /** The item at a place, counted from the latest. */
    at: (index: number): FeedItem | undefined => {
      const known = items();
      if (index < known.length) return known[known.length - 1 - index];
      const row = older.rows()[index - known.length];
      return row === undefined ? undefined : { kind: "decision", row, seq: BigInt(row.seq) };
    },
    fill: async (missing: Missing) => {
      const { restTo, rows } = await live.fill(missing);
      setHeld((now) => now && { ...now, items: filled(now.items, missing, rows, restTo) });
    },
    /** Decisions since the list was held, or since the pause. */
    fresh: () => {
      const since = held()?.received;
      return since === undefined ? live.backlog() : live.received() - since + live.backlog();
    },
    hold: () => {
      if (held() === undefined) setHeld({ items: [...live.items()], received: live.received() });
    },
    more: () => older.more(oldest()),
    older,
    release: () => {
      if (held() === undefined) return;
      batch(() => {
        setHeld(undefined);
        older.clear();
      });
    },
    size: () => items().length + older.rows().length,
  };
}
