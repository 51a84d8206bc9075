import type { SealedEntry } from "../ledger/chain.ts";
import { encodeEntry } from "../ledger/codec.ts";
import type { Entry, EntryBody } from "../ledger/entries.ts";
import { formatInstant } from "../ledger/schema.ts";

/** One field of an entry that is not what deciding again comes to. */
export interface Mismatch {
  readonly seq: bigint;
  /** Path inside the entry: `legs[1].settled`. */
  readonly field: string;
  /** What stands there, as text; `nothing` where the field is missing. */
  readonly found: string;
  /** What must stand there, as text. */
  readonly due: string;
  /** `life`: balances, or the entry's place in its authorization's life; else how it was decided. */
  readonly about: "decision" | "life";
}

/** Fields that hold milliseconds and are written as moments. */
const INSTANTS: ReadonlySet<string> = new Set([
  "at",
  "due_at",
  "end",
  "expires_at",
  "holds_until",
  "start",
]);
/** Where an entry stands in its authorization's life, and which counters it moves. */
const PLACE_FIELD = /^(agent|authorization|kind|late|opened.*|overage|part|run)$/;
const LEG_FIELD = /^legs\[\d+\](\.cap|\.period)?$/;
/** Kinds whose amount is what is held, whatever it was decided by. */
const GIVEN_BACK: ReadonlySet<Entry["kind"]> = new Set(["expire", "release", "void"]);

type Plain = Readonly<Record<string, unknown>>;

/** Gathers what differs in one entry. */
export class Report {
  readonly mismatches: Mismatch[] = [];
  /** The entry's very bytes were written again: they are canonical, and every field is as it must be. */
  isSpelled = false;
  readonly #entry: Entry;
  readonly #line: string;

  constructor({ entry, line }: SealedEntry) {
    this.#entry = entry;
    this.#line = line;
  }

  /** Says that a field holds something that cannot be. */
  say(field: string, due: string): void {
    const found = valueAt(this.#entry as unknown as Plain, field);
    this.#add(field, textOf(found, field), due);
  }

  sayInstant(field: string, due: number, how = ""): void {
    this.say(field, `${how}${formatInstant(due)}`);
  }

  /**
   * Compares the entry with the body that it must have: as bytes, since every entry is written in one
   * way only, and field by field where those differ.
   */
  compare(body: EntryBody): void {
    const { at, epoch, prev, recorded_at, salt, seq, v, ws } = this.#entry;
    const due = { ...body, at, epoch, prev, recorded_at, salt, seq, v, ws } as Entry;
    this.isSpelled = encodeEntry(due) === this.#line;
    if (!this.isSpelled) this.#differ(this.#entry, due, "");
  }

  #differ(found: unknown, due: unknown, path: string): void {
    if (found === due) return;
    if (!isObject(found) || !isObject(due)) {
      this.#add(path, textOf(found, path), textOf(due, path));
      return;
    }
    for (const name of new Set([...Object.keys(found), ...Object.keys(due)])) {
      const inside = Array.isArray(found) ? `${path}[${name}]` : `${path}.${name}`;
      this.#differ(found[name], due[name], path === "" ? name : inside);
    }
  }

  #add(field: string, found: string, due: string): void {
    const about = this.#isLife(field) ? "life" : "decision";
    this.mismatches.push({ about, due, field, found, seq: this.#entry.seq });
  }

  #isLife(field: string): boolean {
    if (LEG_FIELD.test(field)) return true;
    const { kind } = this.#entry;
    if (kind === "authorize") return false;
    if (field === "amount") return GIVEN_BACK.has(kind);
    // Another amount has another overage; that the two fit each other is seen where they are folded.
    const follows =
      field === "overage" && this.mismatches.some((other) => other.field === "amount");
    return PLACE_FIELD.test(field) && !follows;
  }
}

function isObject(value: unknown): value is Plain {
  return typeof value === "object";
}

/** The value at a path of names: `month.start`. */
function valueAt(entry: Plain, path: string): unknown {
  return path
    .split(".")
    .reduce((value: unknown, name) => (value as Plain | undefined)?.[name], entry);
}

function textOf(value: unknown, path: string): string {
  if (value === undefined) return "nothing";
  const name = path.slice(path.lastIndexOf(".") + 1);
  if (INSTANTS.has(name)) return formatInstant(value as number);
  if (typeof value === "string" || typeof value === "bigint") return `${value}`;
  return JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? `${part}` : part));
}
