/**
 * Goal: no field that follows from what stands before it can be another without being found and named.
 * Method: every field of a ledger with every kind of entry is changed by itself, the entry sealed anew with
 * fitting chain and form, and decided again.
 */
import { describe, expect, test } from "vitest";
import { InvariantError } from "../ledger/assert.ts";
import type { SealedEntry } from "../ledger/chain.ts";
import { encodeEntry } from "../ledger/codec.ts";
import { type EntryKind, entrySchema } from "../ledger/entries.ts";
import { parseJson } from "../ledger/schema.ts";
import { vectorLedger } from "../ledger/testing/vector-ledger.ts";
import { Redecider } from "./redecide.ts";
import { sha256Hex } from "./testing/world.ts";
import { createWorkspace } from "./workspace.ts";

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** Every leaf of an entry as a path, and lists and objects that can be cut. */
function* pathsOf(value: Json, path: readonly string[] = []): Generator<readonly string[]> {
  if (path.length > 0) yield path;
  if (typeof value !== "object" || value === null) return;
  for (const [name, part] of Object.entries(value)) yield* pathsOf(part, [...path, name]);
}

const WORDS: readonly string[] = [
  ...["S", "M", "L", "XL", "shed", "P0", "P1", "P2", "P3", "00", "01", "02", "03", "04", "05"],
  ...["admit", "throttle", "hold", "frozen", "policy", "unpriced", "per-run-cap", "monthly-cap"],
  ...["heaviest-fit", "priority-rebalance", "capture", "release", "assumed", "measured", "window"],
  ...["above-preferred", "not-allowed", "openai", "anthropic", "5m", "1h", "image", "text"],
];

/** What can stand in place of a value, most of it no entry any more. */
function changesOf(value: Json): (Json | undefined)[] {
  if (typeof value === "boolean") return [!value];
  if (typeof value === "number") return [value + 1];
  if (Array.isArray(value)) return [value.slice(1), undefined];
  if (typeof value !== "string") return [undefined];
  const changed: (Json | undefined)[] = [undefined, `${value}x`, ...WORDS];
  if (/^-?\d+$/.test(value)) changed.push(`${BigInt(value) + 1n}`, `${BigInt(value) - 1n}`);
  if (/^[0-9a-f]{16,}$/.test(value))
    changed.push(`${value.slice(0, -1)}${value.endsWith("0") ? 1 : 0}`);
  if (/Z$/.test(value)) changed.push(new Date(Date.parse(value) + 1).toISOString());
  if (/^auth_/.test(value)) changed.push(value.replace(/.$/, value.endsWith("f") ? "0" : "f"));
  return changed.filter((one) => one !== value);
}

function withChange(
  json: Json,
  [name, ...rest]: readonly string[],
  change: Json | undefined,
): Json {
  const copy = (Array.isArray(json) ? [...json] : { ...(json as object) }) as Record<string, Json>;
  if (rest.length > 0)
    copy[name as string] = withChange(copy[name as string] as Json, rest, change);
  else if (change === undefined) delete copy[name as string];
  else copy[name as string] = change;
  return copy as Json;
}

function sealedAnew(json: Json): SealedEntry | undefined {
  const parsed = parseJson(entrySchema, JSON.stringify(json));
  if (!parsed.ok) return undefined;
  const line = encodeEntry(parsed.value);
  return { entry: parsed.value, hash: sha256Hex(line), line };
}

/** What deciding again says of an entry behind those before it: fields, or that balances are off. */
function foundIn(before: readonly SealedEntry[], sealed: SealedEntry): readonly string[] {
  const again = new Redecider(createWorkspace("acme"));
  for (const one of before) again.next(one);
  try {
    return again.next(sealed).mismatches.map(({ field }) => field);
  } catch (error) {
    if (!(error instanceof InvariantError)) throw error;
    return ["balance"];
  }
}

/** Fields that come from outside, by kind: what follows from them is decided, they themselves are not. */
const GIVEN: Readonly<Record<EntryKind, RegExp>> = {
  adjust: /^(amount|authorization|by|model|part|reason|usage.*)$/,
  authorize:
    /^(agent|attributes.*|authorization|idempotency|key|model|month\..*|payload_hash|run|tool|usage_bound.*|year\..*)$/,
  configure: /^(by|changes.*|commit|stage)$/,
  expire: /^(authorization|due_at)$/,
  policy: /^(by|policy.*)$/,
  price: /^(by|price.*)$/,
  release: /^$/,
  settle: /^(authorization|final|model|part|usage.*)$/,
  takeover: /^(claim_seq|epoch|holds_until|owner)$/,
  void: /^(authorization|reason)$/,
};
const ENVELOPE = /^(at|epoch|kind|prev|recorded_at|salt|seq|v|ws)$/;

/** `tiers[1].amount` of a path. */
const fieldOf = (path: readonly string[]) =>
  path.reduce((field, name) => (/^\d+$/.test(name) ? `${field}[${name}]` : `${field}.${name}`));

describe("redecide: a field that follows from what stands before is found when it is another", () => {
  const ledger = vectorLedger();
  const kinds = ["authorize", "settle", "release", "expire", "void", "adjust"] as const;
  test.each(kinds)("in %s", (kind) => {
    const seen = new Map<string, number>();
    let changed = 0;
    for (const [i, { entry, line }] of ledger.entries()) {
      if (entry.kind !== kind) continue;
      const json = JSON.parse(line) as Json;
      for (const path of pathsOf(json)) {
        const field = fieldOf(path);
        if (ENVELOPE.test(field) || GIVEN[kind].test(field)) continue;
        const sort = field.replace(/\[\d+\]/g, "[]");
        if ((seen.get(sort) ?? 0) >= 2) continue;
        seen.set(sort, (seen.get(sort) ?? 0) + 1);
        const value = path.reduce(
          (part, name) => (part as Record<string, Json>)[name] as Json,
          json,
        );
        for (const change of changesOf(value)) {
          const sealed = sealedAnew(withChange(json, path, change));
          if (sealed === undefined || sealed.line === line) continue;
          changed += 1;
          const found = foundIn(ledger.slice(0, i), sealed);
          const named = found.some(
            (one) => one.startsWith(field) || field.startsWith(one) || one === "balance",
          );
          expect(
            named,
            `entry ${entry.seq} ${field} as ${JSON.stringify(change)}: ${found.join()}`,
          ).toBe(true);
        }
      }
    }
    expect(changed).toBeGreaterThan(5);
  });
});

test("redecide: a measured correction without its part is found", () => {
  const ledger = vectorLedger();
  const i = ledger.findIndex(({ entry }) => entry.kind === "adjust" && entry.usage !== undefined);
  const { part, ...json } = JSON.parse(ledger[i]?.line ?? "") as { [name: string]: Json };
  expect(part).toBeDefined();
  expect(foundIn(ledger.slice(0, i), sealedAnew(json) as SealedEntry)).toEqual(["part"]);
});
