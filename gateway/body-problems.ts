/** Mistakes of one kind that are named; a body of a million wrong messages has a million. */
const NAMED_MAX = 50;

/**
 * Mistakes and limits of one request body, all of them at once. `bad` is the caller's mistake;
 * `unsupported` is what this gateway cannot meter, so that it is refused and never free.
 */
export class BodyProblems {
  readonly bad: string[] = [];
  readonly unsupported: string[] = [];

  malformed(path: string, what: string): void {
    if (this.bad.length < NAMED_MAX) this.bad.push(`${path}: ${what}`);
  }

  unmetered(path: string, why: string): void {
    if (this.unsupported.length < NAMED_MAX) this.unsupported.push(`${path}: ${why}`);
  }
}

/** What the gateway does with one top-level field of a request. */
export type FieldRule =
  /** Part of what the model is shown; its JSON bytes count. The default for every field that passes. */
  | { readonly rule: "passed"; readonly why: string }
  /** Walked by the bound itself. */
  | { readonly rule: "bounded"; readonly why: string }
  /** Passed with some values only; others cannot be priced. */
  | { readonly rule: "checked"; readonly why: string; readonly check: FieldCheck }
  /** Refused whatever its value, but for null and what `harmless` names. */
  | { readonly rule: "refused"; readonly why: string; readonly harmless?: readonly unknown[] };

/** Says why a value cannot pass, or undefined. `bad` is malformed, `unsupported` cannot be priced. */
export type FieldCheck = (
  value: unknown,
) => { readonly bad: string } | { readonly unsupported: string } | undefined;

/** Every top-level field of one API. What is not in it is refused by name. */
export type FieldTable = Readonly<Record<string, FieldRule>>;

/** Holds a body against its table. */
export function checkFields(
  body: Readonly<Record<string, unknown>>,
  table: FieldTable,
  problems: BodyProblems,
): void {
  for (const [field, value] of Object.entries(body)) {
    const rule = Object.hasOwn(table, field) ? table[field] : undefined;
    if (rule === undefined) {
      problems.unmetered(field, "is not a field that this gateway knows how to bound");
      continue;
    }
    if (value === null || value === undefined) continue;
    if (rule.rule === "refused") {
      if (rule.harmless?.some((harmless) => harmless === value) === true) continue;
      problems.unmetered(field, rule.why);
    } else if (rule.rule === "checked") {
      const found = rule.check(value);
      if (found === undefined) continue;
      if ("bad" in found) problems.malformed(field, found.bad);
      else problems.unmetered(field, found.unsupported);
    }
  }
}

/** A check for a whole number in a range. */
export function wholeNumber(least: number, most: number): FieldCheck {
  return (value) =>
    Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most
      ? undefined
      : { bad: `must be a whole number from ${least} to ${most}` };
}

/** A check for one of the values that are priced; other texts are unsupported, other types malformed. */
export function pricedText(names: readonly string[], why: string): FieldCheck {
  return (value) => {
    if (typeof value !== "string") return { bad: "must be a string" };
    return names.includes(value) ? undefined : { unsupported: `"${value}" ${why}` };
  };
}

/** A check of a value's type. */
export function ofType(type: "boolean" | "list" | "object" | "string"): FieldCheck {
  const article = type === "object" ? "an object" : `a ${type}`;
  return (value) => {
    const is = Array.isArray(value) ? "list" : typeof value;
    return is === type ? undefined : { bad: `must be ${article}` };
  };
}
