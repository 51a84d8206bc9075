/**
 * The decisions that a page has, in the order of the ledger: a pure fold over what the socket says.
 *
 * `cursor` is the last sequence that is accounted for. A frame at or below it has been here before and
 * is passed over; one that leaves a hole behind the cursor leaves a mark of that hole. So nothing
 * is shown twice, and what is not shown is a {@link Missing} that says so and can be filled.
 */
import type { DecisionRow, FrameMessage, Outcome } from "../../wire.ts";

export interface Decided {
  readonly kind: "decision";
  readonly seq: bigint;
  readonly row: DecisionRow;
}

/** Entries `from` to `to`, both included, of which some decisions are not here. */
export interface Missing {
  readonly kind: "missing";
  readonly from: bigint;
  readonly to: bigint;
  /** How many decisions; undefined where nobody has counted them. */
  readonly count: number | undefined;
}

export type FeedItem = Decided | Missing;

/** Items that a page keeps; older ones are in Postgres. */
export const FEED_CAPACITY = 2_000;
/** Items above the capacity before they are cut, so that not every frame moves the whole array. */
const FEED_SLACK = 500;

const OUTCOMES: readonly Outcome[] = ["admit", "throttle", "hold"];

/** The place of an item: where its last entry stands. */
export function placeOf(item: FeedItem): bigint {
  return item.kind === "decision" ? item.seq : item.to;
}

function decided(row: DecisionRow): Decided {
  return { kind: "decision", seq: BigInt(row.seq), row };
}

export class Feed {
  /** Oldest first; at most capacity + slack of them. Owned here, and only read elsewhere. */
  #items: FeedItem[] = [];
  #cursor: bigint | undefined;
  /** Decisions received since the feed began, shown or not. */
  #received = 0;
  /** Items that left at the old end. */
  #evicted = 0;
  readonly #capacity: number;

  constructor(capacity = FEED_CAPACITY) {
    this.#capacity = capacity;
  }

  get items(): readonly FeedItem[] {
    return this.#items;
  }

  /** What to ask for on the next subscription; undefined before anything is known. */
  get cursor(): bigint | undefined {
    return this.#cursor;
  }

  get received(): number {
    return this.#received;
  }

  get evicted(): number {
    return this.#evicted;
  }

  /** Begins anew with what Postgres has up to `head`; `rows` come the latest first, as they are served. */
  begin(head: bigint, rows: readonly DecisionRow[]): void {
    this.#items = rows
      .map(decided)
      .filter(({ seq }) => seq <= head)
      .reverse();
    this.#cursor = head;
    this.#evicted = 0;
    this.#cut();
  }

  /** Takes a frame in; false when all of it was here before. */
  take(frame: FrameMessage): boolean {
    const from = BigInt(frame.from_seq);
    const to = BigInt(frame.to_seq);
    const before = this.#cursor;
    if (before !== undefined && to <= before) return false;
    if (before !== undefined && from > before + 1n) this.skip(before + 1n, from - 1n);
    for (const row of frame.rows) {
      const item = decided(row);
      if (before !== undefined && item.seq <= before) continue;
      this.#items.push(item);
      this.#received += 1;
    }
    const omitted = OUTCOMES.reduce((sum, outcome) => sum + frame.omitted[outcome], 0);
    if (omitted > 0) this.#items.push({ kind: "missing", from, to, count: omitted });
    this.#received += omitted;
    this.#cursor = to;
    this.#cut();
    return true;
  }

  /** Notes entries that no frame will bring. */
  skip(from: bigint, to: bigint): void {
    const before = this.#cursor;
    if (before !== undefined && to <= before) return;
    const first = before !== undefined && from <= before ? before + 1n : from;
    this.#items.push({ kind: "missing", from: first, to, count: undefined });
    this.#cursor = to;
    this.#cut();
  }

  #cut(): void {
    const excess = this.#items.length - this.#capacity;
    if (excess <= 0 || (excess < FEED_SLACK && this.#capacity > FEED_SLACK)) return;
    this.#items.splice(0, excess);
    this.#evicted += excess;
  }

  /** Puts the decisions that were missing in their place; see {@link filled}. */
  fill(missing: Missing, rows: readonly DecisionRow[], restTo?: bigint): void {
    this.#items = filled(this.#items, missing, rows, restTo);
  }
}

/**
 * `items` with the entries of `missing` replaced by all decisions among them, `rows`, in any order. Where
 * not all could be loaded, `restTo` is the last entry of those that are missing still.
 */
export function filled(
  items: readonly FeedItem[],
  missing: Missing,
  rows: readonly DecisionRow[],
  restTo?: bigint,
): FeedItem[] {
  const at = items.indexOf(missing);
  if (at === -1) return [...items];
  const from = restTo === undefined ? missing.from : restTo + 1n;
  const inside = (seq: bigint) => seq >= from && seq <= missing.to;
  const known = new Map<bigint, FeedItem>();
  for (const row of rows) {
    const item = decided(row);
    if (inside(item.seq)) known.set(item.seq, item);
  }
  // The decisions of the range that are here already stand right before its mark.
  let first = at;
  for (let i = at - 1; i >= 0; i -= 1) {
    const item = items[i] as FeedItem;
    if (item.kind !== "decision" || !inside(item.seq)) break;
    known.set(item.seq, item);
    first = i;
  }
  const ordered = [...known.values()].sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));
  const rest: FeedItem[] =
    restTo === undefined
      ? []
      : [{ kind: "missing", from: missing.from, to: restTo, count: undefined }];
  return [...items.slice(0, first), ...rest, ...ordered, ...items.slice(at + 1)];
}

/** What a page asks of the stream. */
export interface FeedFilter {
  readonly outcome?: Outcome;
  readonly agent?: string;
}

/** True for what a filter lets through; of what is missing nobody can say that it does not. */
export function passes(item: FeedItem, filter: FeedFilter): boolean {
  if (item.kind === "missing") {
    // Frames leave out admits before anything else, and only those are counted here.
    return item.count === undefined || filter.outcome === undefined || filter.outcome === "admit";
  }
  if (filter.outcome !== undefined && item.row.outcome !== filter.outcome) return false;
  return filter.agent === undefined || item.row.agent === filter.agent;
}
