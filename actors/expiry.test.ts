/**
 * Goal: a hold ends exactly when its time is over and not before, in order, in every term.
 * Method: a clock moved by the millisecond around the due time; renewals, captures, takeovers.
 */
import { describe, expect, test } from "vitest";
import { decodeSnapshot, encodeSnapshot } from "./snapshot.ts";
import { agent, START, usd, World } from "./testing/world.ts";
import { beginTerm, expireDue, nextExpiry } from "./workspace.ts";

const expired = (world: World) =>
  world.entries.flatMap(({ entry }) => (entry.kind === "expire" ? [entry.authorization] : []));

describe("the due time", () => {
  test("expire: never a millisecond early, and then at once (R7)", () => {
    const world = new World();
    const { authorization } = world.authorize();
    expect(nextExpiry(world.state)).toBe(START + 30_000);
    expect(world.pass(29_999)).toEqual([]);
    expect(world.state.authorizations.get(authorization)?.state).toBe("open");
    expect(world.pass(1)).toHaveLength(1);
    expect(world.last("expire")).toMatchObject({
      amount: usd("0.048"),
      at: START + 30_000,
      authorization,
      due_at: START + 30_000,
      on_expiry: "release",
      opened: { seq: 3n },
    });
    expect(nextExpiry(world.state)).toBeUndefined();
  });

  test("expire: the turn of any command first ends what is due, so the money is there for it (R7)", () => {
    const world = new World({
      agents: { bot: agent({ caps: { month: usd("0.05") }, tiers: ["XL"] }) },
    });
    world.authorize();
    world.now += 29_999;
    expect(world.authorize().outcome).toBe("hold");
    world.now += 1;
    const { answer, entries } = world.turn(world.call());
    expect(entries.map(({ entry }) => entry.kind)).toEqual(["expire", "authorize"]);
    expect(answer).toMatchObject({ outcome: "admit" });
  });

  test("expire: in the order of (expires_at, seq) (R7)", () => {
    const world = new World();
    const ids = [0, 5, 0, 10].map((ms) => {
      world.now += ms;
      return world.authorize().authorization;
    });
    world.pass(60_000);
    expect(expired(world)).toEqual(ids);
  });

  test("expire: a hold renewed in between takes its place by its new time (R7)", () => {
    const world = new World();
    const first = world.authorize().authorization;
    world.pass(10_000);
    const second = world.authorize().authorization;
    world.pass(10_000);
    expect(world.send({ authorizations: [first], kind: "renew" })).toMatchObject({ renewed: 1 });
    world.pass(100_000);
    expect(expired(world)).toEqual([second, first]);
    const dues = world.entries.flatMap(({ entry }) =>
      entry.kind === "expire" ? [entry.due_at] : [],
    );
    expect(dues).toEqual([START + 40_000, START + 50_000]);
  });

  test("expire: what was settled or voided in time does not", () => {
    const world = new World();
    world.settle(world.authorize().authorization, { usage: {} });
    world.void(world.authorize().authorization);
    expect(world.pass(60_000)).toEqual([]);
  });

  test("expire: captured where the agent is set so; released when the agent is gone (R8)", () => {
    const world = new World({ agents: { bot: agent({ on_expiry: "capture" }) } });
    world.authorize();
    world.pass(30_000);
    expect(world.balance("agent:bot/month")).toEqual({ held: 0n, settled: usd("0.048") });
    world.authorize();
    world.configure([{ id: "bot", item: "agent" }]);
    world.pass(30_000);
    expect(world.last("expire").on_expiry).toBe("release");
    expect(world.balance("agent:bot/month")).toEqual({ held: 0n, settled: usd("0.048") });
  });

  test("time: a clock that goes back neither moves the ledger's nor ends a hold", () => {
    const world = new World();
    world.pass(10_000);
    world.authorize();
    world.now -= 9_000;
    world.authorize();
    expect(world.last("authorize").at).toBe(START + 10_000);
    expect(world.last("authorize").expires_at).toBe(START + 40_000);
    const back = { ...world.term(), now: START };
    expect(expireDue(world.state, back)).toEqual([]);
  });
});

describe("renewal", () => {
  test("renew: gives another 30 seconds each time, without an entry (R7)", () => {
    const world = new World();
    const { authorization } = world.authorize();
    const count = world.entries.length;
    for (let i = 0; i < 20; i++) {
      world.pass(29_999);
      const answer = world.send({ authorizations: [authorization], kind: "renew" });
      expect(answer).toEqual({ ended: [], expires_ms: 30_000, kind: "renewed", renewed: 1 });
    }
    expect(world.entries).toHaveLength(count);
    world.pass(30_000);
    expect(expired(world)).toEqual([authorization]);
  });

  test("renew: says of each id that is not open where it stands", () => {
    const world = new World({ agents: { bot: agent(), poor: agent({ caps: { run: usd("0") } }) } });
    const [a, b, c, d] = [1, 2, 3, 4].map(() => world.authorize().authorization) as [
      string,
      string,
      string,
      string,
    ];
    const refused = world.authorize({ agent: "poor" }).authorization;
    const unknown = world.id();
    world.settle(a, { usage: {} });
    world.void(b);
    world.send({ authorizations: [d], kind: "renew" });
    world.now += 10_000;
    world.send({ authorizations: [d], kind: "renew" });
    world.pass(20_000);
    expect(world.send({ authorizations: [a, b, c, d, refused, unknown], kind: "renew" })).toEqual({
      ended: [
        { authorization: a, state: "settled" },
        { authorization: b, state: "voided" },
        { authorization: c, state: "expired" },
        { authorization: refused, state: "refused" },
        { authorization: unknown, state: "unknown" },
      ],
      expires_ms: 30_000,
      kind: "renewed",
      renewed: 1,
    });
  });

  test("renew: under a shorter life that was set since, the hold ends by that (R7)", () => {
    const world = new World();
    const value = { ...world.state.config.settings, expiry_ms: 600_000 };
    const set = (expiry_ms: number) =>
      world.configure([{ id: "acme", item: "workspace", value: { ...value, expiry_ms } as never }]);
    set(600_000);
    const { authorization, expires_ms } = world.authorize();
    expect(expires_ms).toBe(600_000);
    set(5_000);
    world.send({ authorizations: [authorization], kind: "renew" });
    expect(nextExpiry(world.state)).toBe(START + 5_000);
    world.pass(5_000);
    expect(world.last("expire").due_at).toBe(START + 5_000);
    world.pass(600_000);
    expect(expired(world)).toEqual([authorization]);
  });
});

describe("takeover", () => {
  test.each(["journal", "snapshot"] as const)(
    "takeover: from the %s every open hold lives at least until the claim + 30 s (R13)",
    (from) => {
      const world = new World();
      const old = world.authorize().authorization;
      world.pass(29_000);
      world.takeOver(from);
      const young = world.authorize().authorization;
      const claimed = world.claimAt;
      expect(world.pass(29_999)).toEqual([]);
      world.pass(1);
      expect(expired(world)).toEqual([old, young]);
      const dues = world.entries.flatMap(({ entry }) =>
        entry.kind === "expire" ? [entry.due_at] : [],
      );
      expect(dues).toEqual([claimed + 30_000, claimed + 30_000]);
    },
  );

  test("takeover: a hold that would have ended before it is not due before its grace, also when looked at late (R13)", () => {
    const world = new World();
    const old = world.authorize().authorization;
    world.now += 100_000;
    world.takeOver("journal");
    world.now += 20_000;
    const { authorization } = world.authorize();
    world.settle(authorization, { usage: {} });
    world.pass(60_000);
    expect(expired(world)).toEqual([old]);
    expect(world.last("expire").due_at).toBe(world.claimAt + 30_000);
  });

  test("takeover: the first entry of a term says whose it is, and only that one (R13)", () => {
    const world = new World();
    const before = world.authorize().authorization;
    world.pass(5_000);
    world.takeOver("journal");
    expect(world.pass(1_000)).toEqual([]);
    const first = world.turn(world.call());
    expect(first.entries.map(({ entry }) => entry.kind)).toEqual(["takeover", "authorize"]);
    expect(first.entries[0]?.entry).toMatchObject({
      claim_seq: 2n,
      epoch: 2n,
      holds_until: world.claimAt + 30_000,
      owner: "test",
    });
    expect(world.turn(world.call()).entries).toHaveLength(1);
    world.takeOver("journal");
    world.pass(30_000);
    expect(world.entries.slice(-4).map(({ entry }) => entry.kind)).toEqual([
      "takeover",
      "expire",
      "expire",
      "expire",
    ]);
    expect(expired(world)[0]).toBe(before);
  });

  test("takeover: a claim stamped by a server whose clock is behind shortens no grace (R13)", () => {
    const world = new World();
    world.authorize();
    world.pass(25_000);
    world.takeOver("journal");
    world.void(world.id());
    const promised = world.claimAt + 30_000;
    world.state = decodeSnapshot(encodeSnapshot(world.state));
    world.epoch += 1n;
    world.claimAt -= 20_000;
    beginTerm(world.state, world.claimAt);
    expect(world.pass(29_999)).toEqual([]);
    world.pass(1);
    expect(world.last("expire").due_at).toBe(promised);
  });

  test("takeover: the grace of an earlier term is in the ledger, so a third owner keeps it (R13)", () => {
    const world = new World();
    world.authorize();
    world.takeOver("journal");
    world.void(world.id());
    const kept = world.replayed();
    expect(kept.holdsUntil).toBe(world.claimAt + 30_000);
    world.pass(10_000);
    world.takeOver("snapshot");
    expect(world.pass(29_999)).toEqual([]);
    expect(world.pass(1).map(({ entry }) => entry.kind)).toEqual(["takeover", "expire"]);
  });
});
