/**
 * Goal: whatever the actor writes is decided again and comes out the same, and an entry that could not
 * have stood where it stands is found. Method: ledgers of random operations are decided again; then single
 * entries are put behind a ledger, sealed with fitting chain and form, that no turn would have written.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type SealedEntry, sealEntry } from "../ledger/chain.ts";
import {
  type Entry,
  type EntryBody,
  type EntryBodyOf,
  type EntryKind,
  type EntryOf,
  type Leg,
} from "../ledger/entries.ts";
import { nanoUsd } from "../ledger/money.ts";
import { vectorLedger } from "../ledger/testing/vector-ledger.ts";
import type { WorkspaceSettings } from "../ledger/workspace-config.ts";
import { Redecider } from "./redecide.ts";
import { ModelRun } from "./testing/model-run.ts";
import { operation } from "./testing/operations.ts";
import { agent, bound, PRICES, START, sha256Hex, World } from "./testing/world.ts";
import { createWorkspace } from "./workspace.ts";

function decidedAgain(ledger: readonly SealedEntry[]): Redecider {
  const again = new Redecider(createWorkspace("acme"));
  for (const sealed of ledger) {
    const { isSpelled, mismatches } = again.next(sealed);
    expect(mismatches, `entry ${sealed.entry.seq}`).toEqual([]);
    const isFact = ["configure", "policy", "price", "takeover"].includes(sealed.entry.kind);
    expect(isSpelled || isFact).toBe(true);
  }
  return again;
}

test("redecide: every ledger that the actor writes comes out the same", () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60, minLength: 20, size: "max" }), (given) => {
      const run = new ModelRun();
      run.run(given);
      expect(decidedAgain(run.world.entries).isInside).toBe(false);
    }),
    { numRuns: 50 },
  );
});

test("redecide: a ledger with every kind of entry comes out the same, and facts are counted", () => {
  const again = decidedAgain(vectorLedger());
  expect(again.facts.times).toBe(vectorLedger().length);
  expect(Object.values(again.facts).every((count) => count > 0)).toBe(true);
});

type Body = EntryBody & { readonly at?: number; readonly epoch?: bigint };

/** A ledger that was decided again, to put further entries behind. */
class Behind {
  readonly again: Redecider;
  #at: number;

  constructor(entries: readonly SealedEntry[]) {
    this.again = decidedAgain(entries);
    this.#at = this.again.state.time;
  }

  /** Seals a body behind the head. @returns what deciding it again says, as `field: due` */
  next(body: Body): readonly string[] {
    const { epoch, head } = this.again.state;
    const { at = this.#at, ...rest } = body;
    const surroundings = { at, epoch: body.epoch ?? epoch, recordedAt: at, salt: "0".repeat(32) };
    const sealed = sealEntry(head, rest, { ...surroundings, ws: "acme" }, sha256Hex);
    return this.again.next(sealed).mismatches.map(({ due, field }) => `${field}: ${due}`);
  }
}

const bodyOf = <K extends EntryKind>(entry: EntryOf<K>): EntryBodyOf<K> => {
  const { at, epoch, prev, recorded_at, salt, seq, v, ws, ...body } = entry;
  return body as unknown as EntryBodyOf<K>;
};

const TAKEOVER = {
  claim_seq: 9n,
  holds_until: START + 30_000,
  kind: "takeover" as const,
  owner: "node-2/0",
};

describe("redecide: terms", () => {
  test("a takeover raises the epoch, and nothing else does", () => {
    const world = new World();
    expect(new Behind(world.entries).next(TAKEOVER)[0]).toMatch(/^epoch: above 1/);
    const { authorization } = world.authorize();
    const [, , opening] = world.entries;
    const body = bodyOf(opening?.entry as EntryOf<"authorize">);
    expect(authorization).toBe(body.authorization);
    const found = new Behind(world.entries.slice(0, 2)).next({ ...body, epoch: 2n });
    expect(found).toEqual(["epoch: 1: no takeover raised it"]);
  });

  test("holds of before live 30 s from the claim, and not longer", () => {
    const late = { ...TAKEOVER, epoch: 2n, holds_until: START + 30_001 };
    expect(new Behind(new World().entries).next(late)[0]).toMatch(/^holds_until: at most /);
    const world = new World();
    world.authorize();
    world.now += 10_000;
    world.takeOver("journal");
    world.pass(30_000);
    const expiry = bodyOf(world.last("expire"));
    const before = new Behind(world.entries.slice(0, -1));
    const found = before.next({ ...expiry, at: START + 40_000, due_at: START + 30_000 });
    expect(found).toEqual(["due_at: at least 2026-11-10T00:00:40.000Z"]);
  });
});

describe("redecide: what a command writes stands together", () => {
  function settled(): World {
    const world = new World({ agents: { bot: agent({ on_overage: "freeze" }) } });
    const { authorization } = world.authorize();
    world.settle(authorization, { usage: { output: 1n } });
    return world;
  }

  test("a release follows its settle at once, and nothing else does", () => {
    const world = settled();
    const release = bodyOf(world.last("release"));
    const behind = () => new Behind(world.entries.slice(0, -1));
    expect(behind().again.isInside).toBe(true);
    expect(behind().next(release)).toEqual([]);
    expect(behind().next({ ...release, at: START + 1 })).toEqual(["at: 2026-11-10T00:00:00.000Z"]);
    const shut = {
      amount: nanoUsd(0n),
      authorization: world.id(),
      kind: "void" as const,
      legs: [],
      reason: "",
    };
    expect(behind().next(shut)).toContain("kind: release");
    expect(new Behind(world.entries).next({ ...shut, epoch: 1n })).toEqual([]);
  });

  test("what is owed is read without parsing, and only that", () => {
    const world = settled();
    const { line } = world.entries.at(-1) as SealedEntry;
    const behind = () => new Behind(world.entries.slice(0, -1)).again;
    const again = behind();
    const entry = again.foresee(line);
    expect(entry).toEqual(world.last("release"));
    const sealed = { entry: entry as Entry, hash: sha256Hex(line), line };
    expect(again.next(sealed)).toMatchObject({ isSpelled: true, mismatches: [] });
    expect(again.isInside).toBe(false);
    expect(again.foresee(line)).toBeUndefined();
    expect(behind().foresee("{}")).toBeUndefined();
    expect(behind().foresee(line.replace(/"amount":"/, '"amount":"1'))).toBeUndefined();
    expect(behind().foresee(line.replace(/(recorded_at":"2026)/, "$1-99"))).toBeUndefined();
  });

  test("a release by itself is found", () => {
    const world = settled();
    world.authorize();
    const behind = new Behind(world.entries);
    const { authorization, agent: by, legs, run } = world.last("authorize");
    const amount = world.last("authorize").held;
    const given = legs.map(({ cap, held, period, settled: spent }) => ({
      cap,
      held: nanoUsd(held - amount),
      period,
      settled: spent,
    }));
    const opened = { hash: behind.again.state.head.hash, seq: behind.again.state.head.seq };
    const found = behind.next({
      agent: by,
      amount,
      authorization,
      kind: "release",
      legs: given,
      opened,
      run,
    });
    expect(found).toEqual(["kind: no release: no final settle stands before it"]);
  });

  test("an overage that freezes is followed by the freeze", () => {
    const world = new World({ agents: { bot: agent({ on_overage: "freeze" }) } });
    const { authorization } = world.authorize({ usage_bound: bound(1n, 1n) });
    world.settle(authorization, { usage: { output: 9_000n } });
    expect(decidedAgain(world.entries).isInside).toBe(false);
    expect(decidedAgain(world.entries.slice(0, -1)).isInside).toBe(true);
    expect(decidedAgain(world.entries).facts.configured).toBe(2);
  });

  test("prices and rules are followed by their commit, of the same author and moment", () => {
    const world = new World();
    const policy = { by: "test", kind: "policy" as const, policy: { rebalancing: [], rules: [] } };
    const price = { by: "test", kind: "price" as const, price: PRICES };
    const commit = {
      base_seq: world.state.configSeq,
      by: "test",
      changes: [],
      commit: true,
      kind: "configure" as const,
      stage: "next",
    };
    const behind = (...bodies: readonly EntryBody[]) => {
      const ledger = new Behind(world.entries);
      for (const body of bodies) expect(ledger.next(body)).toEqual([]);
      return ledger;
    };
    expect(behind(price, policy, commit).again.isInside).toBe(false);
    expect(behind(price).again.isInside).toBe(true);
    const due = "kind: the commit that the policy before it belongs to";
    expect(behind(policy).next(price)).toEqual([due]);
    expect(behind(policy).next({ ...commit, commit: false })).toEqual([due]);
    const other = behind(policy).next({ ...commit, at: START + 1, by: "other" });
    expect(other).toEqual(["by: test", "at: 2026-11-10T00:00:00.000Z"]);
  });
});

describe("redecide: expiries", () => {
  function twoExpired(): World {
    const world = new World();
    world.authorize();
    world.now += 1_000;
    world.authorize();
    world.pass(30_000);
    return world;
  }

  test("they stand in the order in which they are due", () => {
    const world = twoExpired();
    const [first, second] = world.entries.slice(-2).map(({ entry }) => entry as EntryOf<"expire">);
    const swapped = (entry: EntryOf<"expire">, legs: readonly Leg[]) => ({
      ...bodyOf(entry),
      at: entry.at,
      legs,
    });
    const behind = new Behind(world.entries.slice(0, -2));
    const [one, two] = [first, second] as [EntryOf<"expire">, EntryOf<"expire">];
    // The run is each call's own, the counters of month and year are shared.
    const legsOf = (of: EntryOf<"expire">, like: EntryOf<"expire">) => [
      of.legs[0] as Leg,
      ...like.legs.slice(1),
    ];
    expect(behind.next(swapped(two, legsOf(two, one)))).toEqual([]);
    const [problem] = behind.next(swapped(one, legsOf(one, two)));
    expect(problem).toMatch(/^due_at: in order of due_at and seq: after /);
  });

  test("they are due between the shortest life there was and their own moment", () => {
    const world = new World();
    const settings = world.state.config.settings as WorkspaceSettings;
    const live = (expiry_ms: number) =>
      world.configure([{ id: "acme", item: "workspace", value: { ...settings, expiry_ms } }]);
    live(60_000);
    world.authorize();
    live(20_000);
    world.pass(60_000);
    const expiry = bodyOf(world.last("expire"));
    const at = world.now;
    const behind = () => new Behind(world.entries.slice(0, -1));
    expect(behind().next({ ...expiry, at, due_at: START + 20_000 })).toEqual([]);
    expect(behind().next({ ...expiry, at, due_at: START + 19_999 })).toEqual([
      "due_at: at least 2026-11-10T00:00:20.000Z",
    ]);
    expect(behind().next({ ...expiry, at, due_at: at + 1 })).toEqual([
      "due_at: at most 2026-11-10T00:01:00.000Z",
    ]);
  });

  test("none stands behind a decision of its moment, or ends what is not open", () => {
    const world = twoExpired();
    const expiry = bodyOf(world.last("expire"));
    const shut = (id: string) => ({
      amount: nanoUsd(0n),
      authorization: id,
      kind: "void" as const,
      legs: [],
      reason: "",
    });
    const behind = new Behind(world.entries.slice(0, -1));
    expect(behind.next({ ...shut(world.id()), at: world.now })).toEqual([]);
    expect(behind.next({ ...expiry, at: world.now })).toEqual([
      "kind: no expiry behind a decision of its own moment",
    ]);
    const unknown = { ...expiry, authorization: world.id(), legs: [] };
    expect(new Behind(world.entries).next(unknown)[0]).toMatch(/no expiry: auth_.* is unknown/);
    const again = { ...expiry, amount: nanoUsd(0n), legs: world.last("expire").legs };
    expect(new Behind(world.entries).next(again)[0]).toMatch(/no expiry: auth_.* is expired/);
  });
});

describe("redecide: configuration", () => {
  const commit = (over: object = {}) => ({
    base_seq: 2n,
    by: "test",
    changes: [],
    commit: true,
    kind: "configure" as const,
    stage: "next",
    ...over,
  });
  test.each([
    [{ by: "tarmac:overage" }, "by: somebody else: no settle calls for a freeze here"],
    [{ stage: "founding" }, "stage: another: this one was committed"],
    [{ base_seq: 1n, commit: false }, "base_seq: 2"],
  ])("%o is found", (over, due) => {
    expect(new Behind(new World().entries).next(commit(over))).toEqual([due]);
  });

  test("a commit of what cannot be in force is found, with every mistake", () => {
    const changes = [{ id: "bot", item: "agent" as const, value: agent({ team: "none" }) }];
    const [found] = new Behind(new World().entries).next(commit({ changes }));
    expect(found).toMatch(/^changes: no such entry: .*team "none" does not exist/);
  });

  test("stages that are open are no mistake", () => {
    expect(new Behind(new World().entries).next(commit({ commit: false }))).toEqual([]);
  });

  test("nothing is decided before there is a workspace", () => {
    const world = new World();
    world.authorize();
    const body = bodyOf(world.last("authorize"));
    const behind = new Behind([]);
    expect(behind.next({ ...body, at: START, epoch: 1n })).toEqual([
      "kind: configure: the workspace is not made yet",
    ]);
  });

  test("what cannot be decided at all is said", () => {
    const world = new World();
    world.authorize();
    const body = bodyOf(world.last("authorize"));
    const behind = new Behind(world.entries.slice(0, 2));
    behind.next({ by: "test", kind: "price", price: { ...PRICES, lanes: [] } });
    behind.next(commit());
    expect(behind.next(body)[0]).toMatch(/^kind: nothing that cannot be decided: agent bot has/);
  });
});

describe("redecide: calls that cannot have been", () => {
  const called = () => {
    const world = new World();
    world.authorize({ run: "r1" });
    return { before: world.entries.slice(0, 2), body: bodyOf(world.last("authorize")), world };
  };
  test.each([
    [{ key: "key_ffffffffffffffff" }, "key"],
    [{ agent: "nobody" }, "agent"],
    [{ run: "auth_other" }, "run"],
    [{ at: START + 200_000 }, "authorization"],
  ])("%o", (over, field) => {
    const { before, body } = called();
    const found = new Behind(before).next({ ...body, ...over });
    expect(found.map((line) => line.split(":")[0])).toContain(field);
  });

  test("a part that was posted, a void of what is closed, a settle of nothing", () => {
    const world = new World();
    const { authorization } = world.authorize();
    world.settle(authorization, { final: false, usage: {} });
    const settle = bodyOf(world.last("settle"));
    expect(foundAs(world, { ...settle })).toMatch(/^part: no such entry: what it says was said/);
    const other = { ...settle, authorization: world.id() };
    expect(foundAs(world, other)).toMatch(/^authorization: no such entry: No authorization/);
    const { usage: _, ...blind } = settle;
    expect(foundAs(world, { ...blind, part: "2" })).toMatch(
      /^usage: no such entry: usage: is miss/,
    );
    world.void(authorization);
    const ended = bodyOf(world.last("void"));
    expect(foundAs(world, { ...ended, amount: nanoUsd(0n) })).toMatch(/^kind: no such entry/);
  });

  test("a correction without a key, or of more than was spent", () => {
    const world = new World();
    const { authorization } = world.authorize();
    world.settle(authorization, { usage: { output: 1n } });
    world.adjust(authorization, nanoUsd(5n));
    const { part, ...keyless } = bodyOf(world.last("adjust"));
    expect(part).toBe("1");
    const legs = keyless.legs.map((leg) => ({ ...leg, settled: nanoUsd(leg.settled + 5n) }));
    expect(foundAs(world, { ...keyless, legs })).toBe("part: ");
    const less = nanoUsd(-1_000_000n);
    const back = keyless.legs.map((leg) => ({ ...leg, settled: nanoUsd(leg.settled + less) }));
    const taken = { ...keyless, amount: less, legs: back, part: "2" };
    expect(foundAs(world, taken)).toMatch(/^amount: no such entry: amount: would take back/);
  });
});

test("redecide: a fault of the code itself comes through", () => {
  const world = new World();
  world.authorize();
  const behind = new Behind(world.entries.slice(0, 2));
  behind.again.state.config.keys.get = () => {
    throw new TypeError("a mistake");
  };
  expect(() => behind.next(bodyOf(world.last("authorize")))).toThrow(TypeError);
});

/** The first thing said of a body behind a world's entries; its balances are not looked at. */
function foundAs(world: World, body: Body): string | undefined {
  try {
    return new Behind(world.entries).next(body)[0];
  } catch (error) {
    return String(error);
  }
}

describe("redecide: periods", () => {
  const world = new World();
  world.authorize();
  world.authorize();
  const [first, second] = world.entries.slice(-2).map(({ entry }) => entry as EntryOf<"authorize">);
  const { month, year } = first as EntryOf<"authorize">;
  const DAY_MS = 86_400_000;
  test.each([
    ["month.key", { month: { ...month, key: "2026-10@UTC" } }],
    ["month.key", { month: { ...month, key: "2026-13@UTC" } }],
    ["month.key", { month: { ...month, key: "2026-11@Europe/Berlin" } }],
    ["month.start", { month: { ...month, start: month.start + DAY_MS } }],
    ["month.end", { month: { ...month, end: month.end - DAY_MS } }],
    ["year.key", { year: { ...year, key: "2025@UTC" } }],
    ["year.key", { year: { ...year, key: "26@UTC" } }],
    ["year.end", { year: { ...year, end: year.end + DAY_MS } }],
    ["month.key", { at: START + 30 * DAY_MS }],
  ])("%s of the first", (field, over) => {
    const body = bodyOf(first as EntryOf<"authorize">);
    const found = new Behind(world.entries.slice(0, 2)).next({ ...body, ...over });
    expect(found.map((line) => line.split(":")[0])).toContain(field);
  });
  test.each([
    ["month.start", { month: { ...month, start: month.start + 1 } }],
    ["year.end", { year: { ...year, end: year.end + 1 } }],
  ])("%s of another", (field, over) => {
    const body = bodyOf(second as EntryOf<"authorize">);
    const found = new Behind(world.entries.slice(0, 3)).next({ ...body, ...over });
    expect(found.map((line) => line.split(":")[0])).toEqual([field]);
  });
});
