/**
 * Goal: a stranger who has only docs/ledger-format.md and docs/vectors/ can read, check and recompute a
 * ledger; so both say exactly what the code does.
 * Method: make the vectors anew and compare bytes; ask the schemas themselves for their fields (by
 * writing a value that notes what it is asked for, and by reading one that has the wrong type) and
 * compare those with the tables of the page, both ways.
 *
 * To write the vectors anew: TARMAC_WRITE_VECTORS=1 npx vitest run ledger/format-vectors.test.ts
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { shardOf } from "../actors/placement.ts";
import { encodeBlock, NO_BLOCK_HASH } from "../nodes/block.ts";
import { verifyCheckpoint } from "./checkpoint.ts";
import { decodeEntry } from "./codec.ts";
import { type Entry, entrySchema } from "./entries.ts";
import { leafHash, TreeFrontier } from "./merkle.ts";
import { verifyConsistency } from "./merkle-proofs.ts";
import { parseHash } from "./proof-text.ts";
import { parseRangeProof, rootOfRange } from "./range-proof.ts";
import type { Schema } from "./schema.ts";
import { parseVkey } from "./signed-note.ts";
import { ed25519Verify } from "./testing/log.ts";
import { vectorLedger } from "./testing/vector-ledger.ts";
import { vectorLog } from "./testing/vector-log.ts";
import { verifyTlogProof } from "./tlog-proof.ts";

const DOCS = new URL("../docs/", import.meta.url);
const PAGE = new URL("ledger-format.md", DOCS);
const LEDGER = new URL("vectors/ledger.jsonl", DOCS);
const HASHES = new URL("vectors/hashes.txt", DOCS);
const BLOCK = new URL("vectors/block.jsonl", DOCS);
const LOG = new URL("vectors/log/", DOCS);

const text = (file: URL) => (existsSync(file) ? readFileSync(file, "utf8") : "");
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();
const sha256Hex = (line: string) => sha256(Buffer.from(line)).toString("hex");

/** What an entry is, in a word or two. */
function summary(entry: Entry): string {
  switch (entry.kind) {
    case "authorize":
      return `authorize ${entry.outcome} ${entry.rule} ${entry.reason}`;
    case "settle":
      return `settle ${entry.basis}${entry.final ? " final" : ""}${entry.late ? " late" : ""}`;
    case "expire":
      return `expire ${entry.on_expiry}`;
    case "adjust":
      return `adjust ${entry.by}`;
    case "configure":
      return `configure ${entry.commit ? "commit" : "staged"} ${entry.by}`;
    case "policy":
    case "price":
    case "release":
    case "takeover":
    case "void":
      return entry.kind;
  }
}

/** A block of a settle and its release, as if it were the first of a journal. */
function block(lines: readonly string[]): { readonly text: string; readonly hash: string } {
  const header = {
    epoch: 1n,
    era: 1,
    number: 1,
    owner: "node-1/0",
    prev: NO_BLOCK_HASH,
    shard: shardOf("acme", 4),
  };
  const { bytes, hash } = encodeBlock(header, lines);
  return { hash, text: Buffer.from(bytes).toString("utf8") };
}

interface VectorFiles {
  readonly ledger: string;
  readonly hashes: string;
  readonly block: string;
  /** Text by name. */
  readonly log: Readonly<Record<string, string>>;
}

function vectorFiles(): VectorFiles {
  const sealed = vectorLedger();
  const tree = new TreeFrontier(sha256);
  for (const { line } of sealed) tree.append(Buffer.from(line));
  const settled = sealed.findIndex(({ entry }) => entry.kind === "settle" && entry.final);
  const { text: blockText, hash } = block(sealed.slice(settled, settled + 2).map((s) => s.line));
  const rows = sealed.map(({ entry, hash: own }) => `${entry.seq} ${own} ${summary(entry)}`);
  const root = Buffer.from(tree.root()).toString("base64");
  return {
    block: blockText,
    hashes: `${[...rows, `root ${root}`, `block ${hash}`].join("\n")}\n`,
    ledger: sealed.map(({ line }) => `${line}\n`).join(""),
    log: vectorLog(
      sealed.map(({ line }) => line),
      // The release behind the final settle: it closed the authorization.
      settled + 1,
    ),
  };
}

beforeAll(() => {
  if (process.env["TARMAC_WRITE_VECTORS"] !== "1") return;
  const made = vectorFiles();
  writeFileSync(LEDGER, made.ledger);
  writeFileSync(HASHES, made.hashes);
  writeFileSync(BLOCK, made.block);
  mkdirSync(LOG, { recursive: true });
  for (const [name, content] of Object.entries(made.log)) {
    writeFileSync(new URL(name, LOG), content);
  }
});

const lines = () => text(LEDGER).split("\n").slice(0, -1);
const entries = () => lines().map((line) => JSON.parse(line) as Record<string, unknown>);

describe("docs/vectors", () => {
  test("files: are what the actor makes of the same commands today", () => {
    const made = vectorFiles();
    expect(text(LEDGER)).toBe(made.ledger);
    expect(text(HASHES)).toBe(made.hashes);
    expect(text(BLOCK)).toBe(made.block);
    const log = readdirSync(LOG).map((name) => [name, text(new URL(name, LOG))]);
    expect(Object.fromEntries(log)).toEqual(made.log);
  });

  test("ledger.jsonl: each line is canonical and names the hash of the one before", () => {
    let prev = "0".repeat(64);
    const listed = text(HASHES).split("\n");
    for (const [i, line] of lines().entries()) {
      expect(decodeEntry(line)).toMatchObject({ ok: true, value: { prev, seq: BigInt(i + 1) } });
      prev = sha256Hex(line);
      expect(listed[i]?.split(" ").slice(0, 2)).toEqual([String(i + 1), prev]);
    }
  });

  test("ledger.jsonl: what an entry refers to stands there with that hash", () => {
    const all = lines();
    const refs = entries().flatMap((entry) => [entry["opened"], entry["corrects"]]);
    const wrong = refs
      .filter((ref): ref is { hash: string; seq: string } => ref !== undefined)
      .filter(({ hash, seq }) => sha256Hex(all[Number(seq) - 1] ?? "") !== hash);
    expect(refs.filter((ref) => ref !== undefined).length).toBeGreaterThan(20);
    expect(wrong).toEqual([]);
  });

  test("ledger.jsonl: shows every rule of the cascade and every kind", () => {
    const rules = new Set(entries().flatMap((entry) => entry["rule"] ?? []));
    expect(rules).toEqual(new Set(["00", "01", "02", "03", "04", "05"]));
    const kinds = new Set(entries().map((entry) => entry["kind"]));
    expect(kinds).toEqual(new Set(sections("Kind").map(({ name }) => name)));
  });
});

describe("docs/vectors/log", () => {
  const file = (name: string) => text(new URL(name, LOG));
  const keys = () =>
    file("vkey")
      .trimEnd()
      .split("\n")
      .map((vkey) => parseVkey(vkey, sha256));
  const accepted = (name: string) => verifyCheckpoint(file(name), keys(), ed25519Verify);
  const leaves = () => lines().map((line) => Buffer.from(line));

  test("checkpoints: are signed, the earlier by one key, over the roots of the ledger", async () => {
    const [newer, older] = keys();
    for (const [name, size, by] of [
      ["checkpoint", lines().length, [newer, older]],
      ["checkpoint-earlier", 45, [older]],
    ] as const) {
      const found = await accepted(name);
      const tree = new TreeFrontier(sha256);
      for (const leaf of leaves().slice(0, size)) tree.append(leaf);
      expect(found.checkpoint.size).toBe(tree.size);
      expect(Buffer.from(found.checkpoint.root)).toEqual(Buffer.from(tree.root()));
      expect(found.by).toEqual(by);
    }
  });

  test("proofs: lead to the roots of the checkpoints", async () => {
    const [later, earlier] = await Promise.all(["checkpoint", "checkpoint-earlier"].map(accepted));
    if (later === undefined || earlier === undefined) throw new Error("there are no checkpoints");
    const [head, ...hashes] = file("consistency").trimEnd().split("\n");
    const { root: toRoot, size: to } = later.checkpoint;
    const { root: fromRoot, size: from } = earlier.checkpoint;
    expect(head).toBe(`consistency ${from} ${to}`);
    const path = hashes.map((line) => parseHash(line, "consistency"));
    expect(verifyConsistency({ from, fromRoot, path, to, toRoot }, sha256)).toBe(true);

    const range = parseRangeProof(file("range-proof"));
    const within = leaves().slice(Number(range.first), Number(range.end));
    const rangeRoot = rootOfRange(
      range,
      within.map((leaf) => leafHash(leaf, sha256)),
      sha256,
    );
    expect(Buffer.from(rangeRoot)).toEqual(Buffer.from(toRoot));

    const trust = { keys: keys(), sha256, verify: ed25519Verify };
    const proved = await verifyTlogProof(file("receipt.tlog-proof"), trust);
    const line = Buffer.from(proved.leaf).toString("utf8");
    expect(line).toBe(lines()[Number(proved.index)]);
    expect(JSON.parse(line)).toMatchObject({ kind: "release", seq: "7" });
  });

  test("vkey: the newer key is the one that the ledger announces", () => {
    const items = entries().flatMap((entry) => (entry["changes"] as object[] | undefined) ?? []);
    const announced = items.filter((change) => "item" in change && change.item === "log_key");
    const publicKey = Buffer.from(keys()[0]?.publicKey ?? []).toString("base64");
    expect(announced).toMatchObject([{ value: { public_key: publicKey } }]);
  });
});

interface Row {
  readonly field: string;
  readonly type: string;
  readonly when: string;
}
interface Section {
  readonly name: string;
  readonly rows: readonly Row[];
}

/** The field tables of the page under headings like "### Kind `settle`", by what they describe. */
function sections(word: "Kind" | "Object"): readonly Section[] {
  const parts = text(PAGE).split(/^### /m).slice(1);
  return parts.flatMap((part) => {
    const name = new RegExp(`^${word} \`([^\`]+)\``).exec(part)?.[1];
    if (name === undefined) return [];
    const rows = part
      .split("\n")
      .map((line) => line.split("|").map((cell) => cell.trim()))
      .filter((cells) => cells.length === 6 && /^`[^`]+`$/.test(cells[1] ?? ""))
      .map(([, field = "", type = "", when = ""]) => ({ field: field.slice(1, -1), type, when }));
    return [{ name, rows }];
  });
}

/** Builds the smallest entry that leads to an object of it. */
type Skeleton = (leaf: unknown) => Record<string, unknown>;
const item = (name: string): Skeleton => {
  return (value) => ({ kind: "configure", changes: [{ item: name, value }] });
};
const inPolicy = (policy: (leaf: unknown) => unknown): Skeleton => {
  return (leaf) => ({ kind: "policy", policy: policy(leaf) });
};
const inPrice = (price: (leaf: unknown) => unknown): Skeleton => {
  return (leaf) => ({ kind: "price", price: price(leaf) });
};
const inAuthorize = (field: string, listed = false): Skeleton => {
  return (leaf) => ({ kind: "authorize", [field]: listed ? [leaf] : leaf });
};

/** Where each object of the page stands in an entry, and the path that a problem in it begins with. */
const OBJECTS: Readonly<Record<string, readonly [path: string, skeleton: Skeleton]>> = {
  agent: ["changes[0].value", item("agent")],
  "agent caps": ["changes[0].value.caps", (leaf) => item("agent")({ caps: leaf })],
  band: ["price.models[0].bands[0]", inPrice((leaf) => ({ models: [{ bands: [leaf] }] }))],
  change: ["changes[0]", (leaf) => ({ kind: "configure", changes: [leaf] })],
  failing: ["failing[0]", inAuthorize("failing", true)],
  grant: ["grant", inAuthorize("grant")],
  group: ["changes[0].value", item("team")],
  key: ["changes[0].value", item("key")],
  lane: ["lane", inAuthorize("lane")],
  log_key: ["changes[0].value", item("log_key")],
  leg: ["legs[0]", inAuthorize("legs", true)],
  pace: ["pace", inAuthorize("pace")],
  period: ["month", inAuthorize("month")],
  "period caps": ["changes[0].value.caps", (leaf) => item("workspace")({ caps: leaf })],
  policy: ["policy", inPolicy((leaf) => leaf)],
  policy_rule: ["policy_rule", inAuthorize("policy_rule")],
  price: ["price", inPrice((leaf) => leaf)],
  "priced lane": ["price.lanes[0]", inPrice((leaf) => ({ lanes: [leaf] }))],
  "priced model": ["price.models[0]", inPrice((leaf) => ({ models: [leaf] }))],
  "priced tier": ["price.lanes[0].tiers[0]", inPrice((leaf) => ({ lanes: [{ tiers: [leaf] }] }))],
  provider: ["changes[0].value", item("provider")],
  quote: ["tiers[0]", inAuthorize("tiers", true)],
  "rebalancing row": ["policy.rebalancing[0]", inPolicy((leaf) => ({ rebalancing: [leaf] }))],
  ref: ["opened", (leaf) => ({ kind: "settle", opened: leaf })],
  rule: ["policy.rules[0]", inPolicy((leaf) => ({ rules: [leaf] }))],
  "unit price": [
    "price.models[0].bands[0].units.input",
    inPrice((leaf) => ({ models: [{ bands: [{ units: { input: leaf } }] }] })),
  ],
  usage: ["usage", (leaf) => ({ kind: "settle", usage: leaf })],
  usage_bound: ["usage_bound", inAuthorize("usage_bound")],
  workspace: ["changes[0].value", item("workspace")],
};

/** A value of which every field is asked for and none is there, but for tags. */
function recorder(tags: Readonly<Record<string, string>>): {
  readonly asked: Set<string>;
  readonly value: object;
} {
  const asked = new Set<string>();
  const get = (_: object, name: string | symbol) => {
    if (typeof name !== "string") return undefined;
    asked.add(name);
    return tags[name];
  };
  return { asked, value: new Proxy({}, { get, has: () => false }) };
}

interface Described {
  readonly required: ReadonlySet<string>;
  readonly all: ReadonlySet<string>;
  /** What is wrong with 0.5 there: says of which type the field is. */
  readonly complaint: (field: string) => string;
}

/** Asks the schema of entries what stands at a place. */
function describePlace(
  path: string,
  skeleton: Skeleton,
  tags: Readonly<Record<string, string>> = {},
): Described {
  const { asked, value } = recorder(tags);
  (entrySchema as Schema<unknown>).write(skeleton(value));
  const problemsOf = (leaf: object) => {
    const problems: string[] = [];
    entrySchema.read(skeleton({ ...tags, ...leaf }), "", problems);
    return problems;
  };
  const prefix = path === "" ? "" : `${path}.`;
  const missing = problemsOf({})
    .map((problem) => /^(\S+): is missing$/.exec(problem)?.[1])
    .filter((at) => at?.startsWith(prefix) === true)
    .map((at) => (at as string).slice(prefix.length))
    .filter((field) => !/[.[]/.test(field));
  const complaint = (field: string) =>
    problemsOf({ [field]: 0.5 }).find((found) => found.startsWith(`${prefix}${field}: `)) ?? "";
  return { all: asked, complaint, required: new Set([...missing, ...Object.keys(tags)]) };
}

/** The word with which the type of a field must begin, from what its schema says of a wrong value. */
const TYPE_WORDS: readonly (readonly [RegExp, string])[] = [
  [/decimal string/, "decimal"],
  [/must be a moment/, "instant"],
  [/must be one of/, "one of"],
  [/must be a string/, "text"],
  [/must be a list/, "list"],
  [/must be true or false/, "bool"],
  [/whole number from/, "integer"],
  [/hex SHA-256/, "hash"],
  [/a name of/, "name"],
  [/authorization id/, "authorization id"],
  [/key id/, "key id"],
  [/bytes in base64/, "base64"],
  [/16 bytes in hex/, "salt"],
  [/must be an object|must be a condition/, "object"],
];

/** Every way in which a table and a place of the schema differ. */
function differences(section: Section, found: Described): string[] {
  const documented = new Set(section.rows.map(({ field }) => field));
  const missing = [...found.all].filter((field) => !documented.has(field));
  const problems = missing.map((field) => `${section.name}.${field}: is not in the table`);
  for (const { field, type, when } of section.rows) {
    const at = `${section.name}.${field}`;
    if (!found.all.has(field)) {
      problems.push(`${at}: is no field`);
      continue;
    }
    if ((when === "always") !== found.required.has(field)) problems.push(`${at}: when: ${when}`);
    const complaint = found.complaint(field);
    const word = TYPE_WORDS.find(([pattern]) => pattern.test(complaint))?.[1];
    if (word === undefined || !type.startsWith(word)) {
      problems.push(`${at}: type "${type}" where the schema says "${complaint}"`);
    }
    const choices = /must be one of (.*)$/.exec(complaint)?.[1]?.split(", ") ?? [];
    for (const choice of choices) {
      if (!type.includes(`\`${choice}\``)) problems.push(`${at}: does not name \`${choice}\``);
    }
  }
  return problems;
}

describe("docs/ledger-format.md", () => {
  const envelope = () => sections("Object").find(({ name }) => name === "envelope");

  test("kinds: each has a table with its fields, types and whether they are always there", () => {
    const shared = envelope()?.rows ?? [];
    const problems = sections("Kind").flatMap(({ name, rows }) => {
      const found = describePlace("", (leaf) => leaf as Record<string, unknown>, { kind: name });
      return differences({ name, rows: [...shared, ...rows] }, found);
    });
    expect(problems).toEqual([]);
    expect(sections("Kind")).toHaveLength(10);
  });

  test("objects: each has a table with its fields, types and whether they are always there", () => {
    const described = sections("Object").filter(({ name }) => name !== "envelope");
    expect(described).toHaveLength(Object.keys(OBJECTS).length);
    expect(new Set(described.map(({ name }) => name))).toEqual(new Set(Object.keys(OBJECTS)));
    const problems = described.flatMap((section) => {
      const [path, skeleton] = OBJECTS[section.name] ?? ["", (leaf) => ({ leaf })];
      const tags: Record<string, string> = section.name === "change" ? { item: "team" } : {};
      return differences(section, describePlace(path, skeleton, tags));
    });
    expect(problems).toEqual([]);
  });

  test("vectors: show every field of every kind at least once", () => {
    const shown = entries();
    const unseen = sections("Kind").flatMap(({ name, rows }) =>
      rows
        .filter(({ field }) => !shown.some((entry) => entry["kind"] === name && field in entry))
        .map(({ field }) => `${name}.${field}`),
    );
    expect(unseen).toEqual([]);
  });

  test("worked examples: are entries of the vectors", () => {
    const part = /^### Worked examples\n([\s\S]*?)^##/m.exec(text(PAGE))?.[1] ?? "";
    const rows = part
      .split("\n")
      .map((line) => line.split("|").map((cell) => cell.trim()))
      .filter((cells) => /^\d+$/.test(cells[1] ?? ""));
    expect(rows.length).toBeGreaterThan(2);
    const shown = entries();
    for (const [, seq, , pico, amount] of rows) {
      const entry = shown[Number(seq) - 1] as { pico?: string; amount?: string; held?: string };
      const quotes = ((entry as { tiers?: { amount: string; pico: string }[] }).tiers ?? []).filter(
        (quote) => quote.amount === entry.held,
      );
      const amounts = entry.held === undefined ? [entry] : quotes;
      expect(amounts).toContainEqual(
        expect.objectContaining({ amount: amount?.slice(1, -1), pico: pico?.slice(1, -1) }),
      );
    }
  });
});
