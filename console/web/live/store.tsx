/**
 * What is live, for every page of the shell: decisions, flow of money, connection. Messages are taken in
 * outside of Solid; ten times a second at most, what changed is shown in one batch. Pausing holds
 * back only the showing: the feed goes on, and what came meanwhile is counted.
 */
import {
  type Accessor,
  batch,
  createContext,
  createEffect,
  createSignal,
  type JSX,
  on,
  onCleanup,
  onMount,
  useContext,
} from "solid-js";
import type { Overview } from "../../wire.ts";
import type { ApiProblem } from "../api.ts";
import { useSession } from "../session.tsx";
import type { ConnectionStatus } from "./connection.ts";
import { type FeedItem, filled, type Missing } from "./feed.ts";
import { Flow } from "./flow.ts";
import { type Found, readMissing } from "./reads.ts";
import { type MonthUse, WorkspaceStream } from "./stream.ts";

/** At most ten showings a second. */
const FLUSH_MS = 100;

export interface Live {
  readonly status: Accessor<ConnectionStatus>;
  /** The first load failed; it is tried again by itself. */
  readonly problem: Accessor<ApiProblem | undefined>;
  readonly loaded: Accessor<boolean>;
  /** Oldest first. While paused: as it stood then. */
  readonly items: Accessor<readonly FeedItem[]>;
  /** How many items have left at the old end. */
  readonly evicted: Accessor<number>;
  readonly flow: Accessor<Flow>;
  readonly overview: Accessor<Overview | undefined>;
  readonly month: Accessor<MonthUse | undefined>;
  readonly paused: Accessor<boolean>;
  /** Decisions since the pause. */
  readonly backlog: Accessor<number>;
  /** Decisions received since the page was opened; stands while paused. */
  readonly received: Accessor<number>;
  /** Clock of the page in ms, moved every second; stands while paused. */
  readonly now: Accessor<number>;
  readonly pause: () => void;
  readonly resume: () => void;
  readonly retry: () => void;
  /** Loads what is missing at a mark, and puts it there. @throws ApiProblem */
  readonly fill: (missing: Missing) => Promise<Found>;
}

const LiveContext = createContext<Live>();

/** The live store of the shell. */
export function useLive(): Live {
  const live = useContext(LiveContext);
  if (live === undefined) throw new Error("a page outside of the shell has nothing live");
  return live;
}

export function LiveProvider(props: { readonly children: JSX.Element }): JSX.Element {
  const live = createLive(useSession().ws);
  return <LiveContext.Provider value={live}>{props.children}</LiveContext.Provider>;
}

const IDLE: ConnectionStatus = {
  behind: undefined,
  heardAt: 0,
  retryAt: undefined,
  state: "connecting",
};

function createLive(ws: Accessor<string>): Live {
  const shown = createShown();
  /** How the feed stood at the pause; undefined while nothing is paused. */
  let frozen: { items: readonly FeedItem[]; readonly received: number } | undefined;
  let stream = new WorkspaceStream(ws(), shown.setStatus);

  const show = () => {
    if (frozen !== undefined) shown.setBacklog(stream.feed.received - frozen.received);
    else if (stream.dirty) shown.show(stream);
  };
  const resume = () => {
    frozen = undefined;
    batch(() => {
      shown.setPaused(false);
      shown.setBacklog(0);
      shown.setNow(Date.now());
      shown.show(stream);
    });
  };
  const pause = () => {
    if (frozen !== undefined) return;
    frozen = { items: [...stream.feed.items], received: stream.feed.received };
    batch(() => {
      shown.setPaused(true);
      shown.setItems(frozen?.items ?? []);
    });
  };
  const fill = async (missing: Missing) => {
    const found = await readMissing(ws(), missing);
    stream.feed.fill(missing, found.rows, found.restTo);
    if (frozen === undefined) shown.show(stream);
    else {
      frozen.items = filled(frozen.items, missing, found.rows, found.restTo);
      shown.setItems(frozen.items);
    }
    return found;
  };

  const change = (next: string) => {
    stream.close();
    shown.setStatus(IDLE);
    stream = new WorkspaceStream(next, shown.setStatus);
    resume();
  };
  createEffect(on(ws, change, { defer: true }));
  keepTime({
    flush: show,
    hurry: () => stream.hurry(),
    tick: () => frozen === undefined && shown.setNow(Date.now()),
  });
  onCleanup(() => stream.close());
  return { ...shown.read, fill, pause, resume, retry: () => stream.load() };
}

function keepTime(moves: { flush: () => void; tick: () => void; hurry: () => void }): void {
  onMount(() => {
    const flush = setInterval(moves.flush, FLUSH_MS);
    const tick = setInterval(moves.tick, 1_000);
    const hurry = () => document.visibilityState === "visible" && moves.hurry();
    window.addEventListener("online", hurry);
    document.addEventListener("visibilitychange", hurry);
    onCleanup(() => {
      clearInterval(flush);
      clearInterval(tick);
      window.removeEventListener("online", hurry);
      document.removeEventListener("visibilitychange", hurry);
    });
  });
}

/** The signals that pages read, and the one way in which a stream gets into them. */
function createShown() {
  const always = { equals: false } as const;
  const [status, setStatus] = createSignal<ConnectionStatus>(IDLE);
  const [paused, setPaused] = createSignal(false);
  const [now, setNow] = createSignal(Date.now());
  const [items, setItems] = createSignal<readonly FeedItem[]>([], always);
  const [evicted, setEvicted] = createSignal(0);
  const [flow, setFlow] = createSignal(new Flow(), always);
  const [overview, setOverview] = createSignal<Overview | undefined>();
  const [month, setMonth] = createSignal<MonthUse | undefined>();
  const [problem, setProblem] = createSignal<ApiProblem | undefined>();
  const [loaded, setLoaded] = createSignal(false);
  const [backlog, setBacklog] = createSignal(0);
  const [received, setReceived] = createSignal(0);
  const show = (stream: WorkspaceStream) =>
    batch(() => {
      stream.dirty = false;
      setItems(stream.feed.items);
      setEvicted(stream.feed.evicted);
      setReceived(stream.feed.received);
      setFlow(stream.flow);
      setOverview(stream.overview);
      setMonth(stream.month);
      setProblem(stream.problem);
      setLoaded(stream.loaded);
    });
  const read = {
    backlog,
    evicted,
    flow,
    items,
    loaded,
    month,
    now,
    overview,
    paused,
    problem,
    received,
    status,
  };
  return { read, setBacklog, setItems, setNow, setPaused, setStatus, show };
}
