/**
 * Goal: an actor that is put away and loaded again answers and writes exactly as one that stayed, and
 * while one is loaded, or cannot be, the others go on.
 * Method: terms over a journal in memory under a clock moved by hand; random histories are worked twice,
 * once with actors put away wherever that is allowed and with takeovers from snapshots, once with
 * nothing ever put away and takeovers from the journal alone.
 */
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";

import type { Answer, Command } from "../actors/commands.ts";
import { agent, START, show } from "../actors/testing/world.ts";
import { decodeOwnEntry } from "../ledger/codec.ts";
import { authorizationId } from "../ledger/ids.ts";
import { Housekeeping } from "./housekeeping.ts";
import { recoverShard } from "./recovery.ts";
import { HandClock, MemoryJournal, ProjectedStores } from "./testing/memory-journal.ts";
import {
  authorize,
  beginShard,
  found,
  PLACE,
  send,
  settle,
  type TestShard,
} from "./testing/shard-fixture.ts";

const WORKSPACES = ["ant", "bee", "cat"];
const running: Rig[] = [];

afterEach(() => {
  for (const rig of running.splice(0)) rig.stop();
});

/** A shard that can be taken over again and again. */
class Rig {
  readonly clock = new HandClock(START);
  readonly journal = new MemoryJournal(this.clock);
  stores = new ProjectedStores(this.journal);
  shard!: TestShard;
  keeping!: Housekeeping;
  #salt = 0;

  /** `claimed` runs between the claim and the term. */
  async begin(claimed: () => void = () => undefined): Promise<void> {
    const salt = () => (this.#salt++).toString(16).padStart(32, "0");
    const ports = { clock: this.clock, salt };
    this.shard = await beginShard(this.journal, this.stores, PLACE, ports, claimed);
    const { term, recovered, log } = this.shard;
    const kept = { snapshots: this.stores, records: this.stores, clock: this.clock, log };
    this.keeping = new Housekeeping(PLACE, term, recovered, kept);
    if (!running.includes(this)) running.push(this);
  }

  get term() {
    return this.shard.term;
  }

  /** Saves what there is, unless told not to, and puts away whoever may go. @returns their names. */
  async putAway(saves = true): Promise<readonly string[]> {
    await this.keeping.round();
    if (saves) await this.keeping.cutNow();
    return this.term.actors.putAway(Number.POSITIVE_INFINITY);
  }

  async takeOver(from: "journal" | "snapshot"): Promise<void> {
    if (from === "snapshot") await this.keeping.cutNow();
    else this.stores = new ProjectedStores(this.journal);
    this.stop();
    await this.begin();
  }

  stop(): void {
    this.keeping.stop();
    this.term.abandon("test over");
  }

  ask(ws: string, command: Command): Promise<Answer> {
    return send(this.term, ws, command, { arrivedAt: this.clock.now }).answer;
  }
}

/** Turns of the event loop in which the term works its timers and loads. */
async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error("it did not come about");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

type Step =
  | {
      readonly do: "authorize" | "settle" | "void" | "again" | "freeze";
      readonly ws: number;
      readonly pick: number;
    }
  | { readonly do: "pass"; readonly ms: number }
  | { readonly do: "put away" | "take over" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom("authorize", "settle", "void", "again", "freeze"),
      ws: fc.nat(WORKSPACES.length - 1),
      pick: fc.nat(1_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("pass"), ms: fc.constantFrom(1, 31_000, 200_000) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom("put away", "take over") }) },
);

/** Works a history. @returns answers and entries of each workspace. */
async function work(steps: readonly Step[], rests: boolean) {
  const rig = new Rig();
  await rig.begin();
  const answers: string[] = [];
  const ids: string[][] = WORKSPACES.map(() => []);
  const bases = new Map<string, bigint>();
  let away = 0;
  for (const ws of WORKSPACES) await found(rig.term, ws);
  for (const [i, each] of steps.entries()) {
    if ("ws" in each) {
      const ws = WORKSPACES[each.ws] as string;
      const known = ids[each.ws] as string[];
      const command = commandOf(each, known, idOf(rig, i + 1), bases.get(ws) ?? 2n);
      if (command.kind === "authorize") known.push(command.authorization);
      const answer = await rig.ask(ws, command);
      if (answer.kind === "configured" && command.kind === "configure" && command.commit) {
        bases.set(ws, answer.seq);
      }
      answers.push(show(answer));
    } else if (each.do === "put away") {
      if (rests) away += (await rig.putAway(i % 2 === 0)).length;
    } else if (each.do === "take over") {
      await rig.takeOver(rests ? "snapshot" : "journal");
    } else if ("ms" in each) {
      rig.clock.now += each.ms;
      // Each workspace ends what is due in a turn of its own, whatever its timer does.
      for (const ws of WORKSPACES)
        await rig.ask(ws, { kind: "renew", authorizations: [idOf(rig, -i)] });
    }
  }
  rig.stop();
  return { answers, away, entries: WORKSPACES.map((ws) => rig.journal.linesOf(ws).map(decided)) };
}

/**
 * What an entry decides. Salts are drawn, and blocks filled, in the order in which the timers of all
 * workspaces fire, which is the machine's: what follows from that alone is left out.
 */
function decided(line: string): unknown {
  const { claim_seq, prev, salt, ...rest } = JSON.parse(line) as Record<string, unknown>;
  expect([typeof prev, typeof salt]).toEqual(["string", "string"]);
  return claim_seq === undefined ? rest : { ...rest, kind: "takeover" };
}

function idOf(rig: Rig, n: number): string {
  const random = new Uint8Array(16);
  new DataView(random.buffer).setInt32(4, n);
  return authorizationId(START + rig.clock.now, random);
}

function commandOf(
  each: Extract<Step, { readonly ws: number }>,
  known: readonly string[],
  fresh: string,
  base: bigint,
): Command {
  const old = known[each.pick % Math.max(known.length, 1)] ?? fresh;
  switch (each.do) {
    case "authorize":
      return authorize(fresh);
    case "again":
      return authorize(old);
    case "settle":
      return {
        kind: "settle",
        authorization: old,
        final: each.pick % 3 > 0,
        part: `${each.pick % 2}`,
        usage: { input: 500n, output: 300n },
      };
    case "void":
      return { kind: "void", authorization: each.pick % 4 === 0 ? fresh : old, reason: "test" };
    case "freeze":
      return {
        kind: "configure",
        base_seq: base,
        by: "test",
        changes: [[{ id: "bot", item: "agent", value: agent({ frozen: each.pick % 2 === 0 }) }]],
        commit: each.pick % 3 > 0,
        stage: `stage-${fresh}`.slice(0, 64),
      };
  }
}

describe("ShardActors", () => {
  test("put away and loaded again: the same answers and the same entries (R3 R13)", async () => {
    let away = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
        const rested = await work(steps, true);
        const stayed = await work(steps, false);
        expect(rested.entries).toEqual(stayed.entries);
        expect(rested.answers).toEqual(stayed.answers);
        away += rested.away;
      }),
      { numRuns: 25 },
    );
    expect(away).toBeGreaterThan(0);
  });

  /** Workspaces that all rest, and the rig that has them. */
  async function resting(...names: string[]): Promise<Rig> {
    const rig = new Rig();
    await rig.begin();
    for (const ws of names) await found(rig.term, ws);
    expect([...(await rig.putAway())].sort()).toEqual([...names].sort());
    expect(rig.term.stats).toMatchObject({ workspaces: names.length, resident: 0 });
    return rig;
  }

  test("commands wait for their actor in order, share its load, and others go on", async () => {
    const rig = await resting("ant", "bee", "cat");
    expect((await rig.ask("cat", authorize(idOf(rig, 1)))).kind).toBe("decided");
    const gate = Promise.withResolvers<void>();
    const { states } = rig.stores;
    rig.stores.states = async (...names) => {
      await gate.promise;
      return await states.apply(rig.stores, names);
    };
    rig.stores.loads = 0;
    const done: string[] = [];
    const told = (name: string) => (answer: Answer) => void done.push(`${name} ${answer.kind}`);
    const id = idOf(rig, 2);
    const all = [
      rig.ask("ant", authorize(id)).then(told("ant 1")),
      rig.ask("bee", authorize(idOf(rig, 3))).then(told("bee 1")),
      rig.ask("ant", settle(id)).then(told("ant 2")),
    ];
    expect((await rig.ask("cat", authorize(idOf(rig, 4)))).kind).toBe("decided");
    expect(done).toEqual([]);
    expect(rig.term.stats.waiting).toBe(3);
    gate.resolve();
    await Promise.all(all);
    expect(done.filter((line) => line.startsWith("ant"))).toEqual([
      "ant 1 decided",
      "ant 2 posted",
    ]);
    expect(rig.stores.loads).toBe(1);
    expect(rig.term.stats).toMatchObject({ resident: 3, waiting: 0 });
  });

  test("inspect loads its workspace, and one that nobody made is still not there", async () => {
    const rig = await resting("ant");
    expect(await rig.ask("ant", { kind: "inspect" })).toMatchObject({ kind: "inspected", seq: 2n });
    const answer = await rig.ask("bee", authorize(idOf(rig, 1)));
    expect(answer).toMatchObject({ kind: "refused", code: "not-configured" });
  });

  test("Postgres away: what rests is not decided, once alarmed; what is in memory goes on", async () => {
    const rig = await resting("ant", "bee");
    await rig.ask("bee", authorize(idOf(rig, 1)));
    rig.stores.away = new Error("Postgres is away");
    for (const n of [2, 3]) {
      const refused = await rig.ask("ant", authorize(idOf(rig, n)));
      expect(refused).toMatchObject({ kind: "refused", code: "fail-closed" });
    }
    expect((await rig.ask("bee", authorize(idOf(rig, 4)))).kind).toBe("decided");
    const alarms = rig.shard.log.lines.filter(({ message }) =>
      message.includes("cannot be loaded"),
    );
    expect(alarms).toHaveLength(1);
    rig.stores.away = undefined;
    expect((await rig.ask("ant", authorize(idOf(rig, 5)))).kind).toBe("decided");
  });

  test.each<[string, (rig: Rig) => void]>([
    ["is gone", (rig) => void rig.stores.snapshots.delete("ant")],
    [
      "stands on another entry",
      (rig) => {
        const row = rig.stores.snapshots.get("ant");
        if (row !== undefined) rig.stores.snapshots.set("ant", { ...row, seq: row.seq - 1n });
      },
    ],
    [
      "cannot be read",
      (rig) => {
        const row = rig.stores.snapshots.get("ant");
        if (row !== undefined)
          rig.stores.snapshots.set("ant", { ...row, state: Buffer.from("{}") });
      },
    ],
  ])("halt: a snapshot that %s halts its workspace alone", async (_, damage) => {
    const rig = await resting("ant", "bee");
    damage(rig);
    const answer = await rig.ask("ant", authorize(idOf(rig, 1)));
    expect(answer).toMatchObject({ kind: "refused", code: "halted" });
    expect(rig.shard.log.lines.at(-1)).toMatchObject({
      level: "alarm",
      message: "workspace halted",
    });
    expect((await rig.ask("bee", authorize(idOf(rig, 2)))).kind).toBe("decided");
    expect(rig.term.stats.halted).toBe(1);
  });

  test("zombie: a snapshot that is ahead ends the term, and nobody is answered or alarmed", async () => {
    const rig = await resting("ant");
    const row = rig.stores.snapshots.get("ant");
    if (row === undefined) throw new Error("no snapshot was cut");
    rig.stores.snapshots.set("ant", { ...row, seq: row.seq + 1n });
    const sent = send(rig.term, "ant", authorize(idOf(rig, 1)), { arrivedAt: rig.clock.now });
    expect(await rig.term.ended).toMatchObject({ kind: "conflict" });
    expect(sent.answered).toBeUndefined();
    expect(rig.shard.log.lines.filter(({ level }) => level === "alarm")).toEqual([]);
  });

  test("recovery: entries of many that wait for their states are folded in between", async () => {
    const rig = await resting("ant", "bee");
    for (const n of [1, 2, 3, 4]) {
      await rig.ask("ant", authorize(idOf(rig, n)));
      await rig.ask("bee", authorize(idOf(rig, 10 + n)));
    }
    rig.stop();
    const { journal, stores, clock } = rig;
    const log = rig.shard.log;
    const ports = { journal, snapshots: stores, records: stores, clock, log, aheadBytesMax: 1 };
    const recovered = await recoverShard(PLACE, ports);
    expect(recovered.replayed).toBe(8);
    expect([...recovered.workspaces.values()].map(({ openHolds }) => openHolds)).toEqual([4, 4]);
    expect(recovered.resting.size).toBe(0);
  });

  test("Postgres away for long: said once a minute with how much waits, and that it is back", async () => {
    const rig = await resting("ant");
    await rig.ask("ant", { kind: "void", authorization: idOf(rig, 1), reason: "test" });
    rig.stores.away = new Error("Postgres is away");
    const levels = () =>
      rig.shard.log.lines.filter(({ message }) => message.startsWith("Postgres is"));
    for (const ms of [0, 30_000, 31_000]) {
      rig.clock.now += ms;
      await rig.keeping.round();
    }
    expect(levels()).toMatchObject([
      { level: "alarm", fields: { changed: 1, closed: 1, postgres_away_ms: 0 } },
      { level: "alarm", fields: { changed: 1, closed: 1, postgres_away_ms: 61_000 } },
    ]);
    rig.stores.away = undefined;
    await rig.keeping.round();
    expect(levels().at(-1)).toMatchObject({ level: "info" });
    expect(rig.keeping.stats).not.toHaveProperty("postgres_away_ms");
  });

  test("an open hold keeps its workspace in memory, renewals and all", async () => {
    const rig = await resting("ant");
    await rig.ask("ant", authorize(idOf(rig, 1)));
    expect(await rig.putAway()).toEqual([]);
    rig.clock.now += 31_000;
    await rig.ask("ant", { kind: "renew", authorizations: [] });
    expect(await rig.putAway()).toEqual(["ant"]);
  });

  test("R13: after a takeover the holds of a resting workspace end after the grace, not before", async () => {
    const rig = await resting("ant", "bee");
    await rig.ask("ant", authorize(idOf(rig, 1)));
    await rig.keeping.cutNow();
    rig.stop();
    rig.clock.now += 100_000;
    await rig.begin();
    expect(rig.term.stats).toMatchObject({ workspaces: 2, resident: 0 });
    // The bell is set by the clock of the term, and a real timer rings it.
    rig.stop();
    rig.clock.now += 1;
    await rig.begin(() => {
      rig.clock.now += 29_999;
    });
    rig.clock.now += 1;
    await until(() => rig.journal.linesOf("ant").length === 5);
    const kinds = rig.journal.linesOf("ant").map((line) => decodeOwnEntry(line).kind);
    expect(kinds.slice(3)).toEqual(["takeover", "expire"]);
    const expired = decodeOwnEntry(rig.journal.linesOf("ant").at(-1) ?? "");
    expect(expired.at).toBe(rig.term.claim.at + 30_000);
    expect(rig.term.stats.resident).toBe(1);
  });
});
