/**
 * Goal: state is made of entries alone, and an entry that cannot follow is a fault, never folded in.
 * Method: entries that are not the next, or whose balances are not ours, handed to a live state.
 */
import { describe, expect, test } from "vitest";
import { type SealedEntry, sealEntry } from "../ledger/chain.ts";
import type { Entry, EntryBody } from "../ledger/entries.ts";
import type { Command } from "./commands.ts";
import { whatMatters } from "./testing/what-matters.ts";
import { agent, nanoUsd, sha256Hex, usd, World } from "./testing/world.ts";
import { replayEntry } from "./workspace.ts";

function worldWithHold() {
  const world = new World({ agents: { bot: agent({ caps: { month: usd("1") } }) } });
  const { authorization } = world.authorize();
  return { authorization, opening: world.last("authorize"), world };
}

/** A body behind the head of a world, whether or not it is true. */
function forge(world: World, body: EntryBody): SealedEntry {
  const context = {
    at: world.now,
    epoch: world.epoch,
    recordedAt: 0,
    salt: "0".repeat(32),
    ws: "acme",
  };
  return sealEntry(world.state.head, body, context, sha256Hex);
}

function bodyOf(entry: Entry): EntryBody {
  const { at, epoch, prev, recorded_at, salt, seq, v, ws, ...body } = entry;
  return body;
}

describe("place", () => {
  const body: EntryBody = { claim_seq: 1n, holds_until: 0, kind: "takeover", owner: "x" };

  test.each<[string, Partial<Entry>, string]>([
    ["another workspace", { ws: "other" }, "entry of other in acme"],
    ["another sequence", { seq: 9n }, "entry 9 after 3"],
    ["another hash before it", { prev: "ab".repeat(32) }, "entry 4 does not follow entry 3"],
    ["an earlier time", { at: 0 }, "ledger time goes back at entry 4"],
    ["an earlier epoch", { epoch: 0n }, "epoch goes back at entry 4"],
  ])("apply: an entry of %s is a fault", (_, change, message) => {
    const { world } = worldWithHold();
    const sealed = forge(world, body);
    const before = whatMatters(world.state);
    const forged = { ...sealed, entry: { ...sealed.entry, ...change } as Entry };
    expect(() => replayEntry(world.state, forged)).toThrow(message);
    expect(whatMatters(world.state)).toEqual(before);
  });
});

describe("balances", () => {
  test("apply: a balance that is not the sum of its entries is a fault (R1)", () => {
    const { world, opening } = worldWithHold();
    const legs = opening.legs.map((leg) => ({ ...leg, held: 0n as typeof leg.held }));
    const voided: EntryBody = {
      amount: nanoUsd(1n),
      authorization: opening.authorization,
      kind: "void",
      legs,
      opened: { hash: "0".repeat(64), seq: 3n },
      reason: "x",
    };
    expect(() => replayEntry(world.state, forge(world, voided))).toThrow(
      "is not what its entries add up to",
    );
  });

  test("apply: an admit over a cap is a fault (R1)", () => {
    const { world, opening } = worldWithHold();
    const legs = opening.legs.map((leg) => ({ ...leg, limit: nanoUsd(5n), period: "other" }));
    const second = { ...bodyOf(opening), authorization: world.id(), legs } as EntryBody;
    expect(() => replayEntry(world.state, forge(world, second))).toThrow(
      "entry 4 admits over agent:bot/run",
    );
  });

  test("apply: a refusal that holds money is a fault", () => {
    const { world, opening } = worldWithHold();
    const legs = opening.legs.map((leg) => ({ ...leg, period: "other" }));
    const second = {
      ...bodyOf(opening),
      authorization: world.id(),
      legs,
      outcome: "hold",
    } as EntryBody;
    expect(() => replayEntry(world.state, forge(world, second))).toThrow("holds money");
  });

  test("apply: no counter holds less than nothing (R1)", () => {
    const { world, opening } = worldWithHold();
    // Of an id that memory has forgotten: its balances are taken as they are, but for this.
    const legs = opening.legs.map((leg) => ({ ...leg, held: nanoUsd(-1n) }));
    const release = {
      agent: "bot",
      amount: nanoUsd(1n),
      authorization: world.id(),
      kind: "release",
      legs,
      opened: { hash: "0".repeat(64), seq: 3n },
      run: "r",
    } as EntryBody;
    expect(() => replayEntry(world.state, forge(world, release))).toThrow(
      "holds less than nothing",
    );
  });

  test("apply: an authorization is opened once, and gives back no more than it holds (R3)", () => {
    const { world, opening } = worldWithHold();
    const twice = {
      ...bodyOf(opening),
      legs: opening.legs.map((leg) => ({ ...leg, held: nanoUsd(2n * leg.held) })),
    } as EntryBody;
    expect(() => replayEntry(world.state, forge(world, twice))).toThrow("is authorized twice");
    const two = worldWithHold();
    two.world.authorize();
    const much = nanoUsd(2n * two.opening.held);
    const release = {
      agent: "bot",
      amount: much,
      authorization: two.authorization,
      kind: "release",
      legs: [],
      opened: { hash: "0".repeat(64), seq: 3n },
      run: "r",
    } as EntryBody;
    expect(() => replayEntry(two.world.state, forge(two.world, release))).toThrow(
      "holds less than nothing",
    );
  });
});

describe("other writers", () => {
  test("apply: a release or a correction without a part is folded like any", () => {
    const { world, opening } = worldWithHold();
    const { legs, ...rest } = {
      agent: "bot",
      authorization: opening.authorization,
      legs: opening.legs,
      opened: { hash: "0".repeat(64), seq: 3n },
      run: opening.run,
    };
    const moved = (held: bigint, settled: bigint) =>
      legs.map((leg) => ({
        cap: leg.cap,
        held: nanoUsd(held),
        period: leg.period,
        settled: nanoUsd(settled),
      }));
    const adjust = {
      ...rest,
      amount: nanoUsd(7n),
      by: "ops",
      corrects: rest.opened,
      kind: "adjust",
      legs: moved(opening.held, 7n),
      reason: "x",
    } as EntryBody;
    replayEntry(world.state, forge(world, adjust));
    expect(world.state.authorizations.get(opening.authorization)).toMatchObject({
      parts: [],
      settled: 7n,
    });
    const release = {
      ...rest,
      amount: opening.held,
      kind: "release",
      legs: moved(0n, 7n),
    } as EntryBody;
    replayEntry(world.state, forge(world, release));
    expect(world.state.authorizations.get(opening.authorization)).toMatchObject({
      held: 0n,
      state: "settled",
    });
    expect(world.state.openHolds).toBe(0);
  });

  test("apply: settings are never removed", () => {
    const { world } = worldWithHold();
    const { settings } = world.state.config;
    const changes = [{ id: "acme", item: "workspace" as const }];
    const base_seq = world.state.configSeq;
    const body: EntryBody = {
      base_seq,
      by: "x",
      changes,
      commit: true,
      kind: "configure",
      stage: "s",
    };
    replayEntry(world.state, forge(world, body));
    expect(world.state.config.settings).toEqual(settings);
  });

  test("turn: a command of no known kind is a fault", () => {
    const { world } = worldWithHold();
    expect(() => world.send({ kind: "refund" } as unknown as Command)).toThrow("unreachable");
  });

  test("apply: a commit against another base is a fault", () => {
    const { world } = worldWithHold();
    const body: EntryBody = {
      base_seq: 1n,
      by: "x",
      changes: [],
      commit: true,
      kind: "configure",
      stage: "s",
    };
    expect(() => replayEntry(world.state, forge(world, body))).toThrow("another base");
  });

  test("replay: the closing of an id that a snapshot left out moves its balances alone", () => {
    const world = new World();
    const { authorization } = world.authorize({ run: "r1" });
    world.settle(authorization, { usage: { output: 100n } });
    world.takeOver("snapshot");
    const kept = world.state;
    const cut = world.entries.length;
    world.settle(authorization, { final: false, part: "2", usage: { output: 100n } });
    world.takeOver("journal");
    const rebuilt = world.state;
    expect(rebuilt.authorizations.has(authorization)).toBe(true);
    expect(world.entries.length).toBe(cut + 2);
    const run = { cap: "agent:bot/run", period: "r1" };
    expect(kept.counters.get(run)?.settled).toBe(usd("0.008"));
    expect(rebuilt.counters.get(run)?.settled).toBe(usd("0.008"));
  });
});
