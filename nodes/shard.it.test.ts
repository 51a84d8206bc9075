/**
 * Goal: an owner says nothing that the journal does not hold, in whatever way an append goes wrong, and
 * nothing is decided twice.
 * Method: terms over a real journal whose requests or replies are lost or held back on demand; what was
 * answered is compared with what another owner replays.
 */
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Answer } from "../actors/commands.ts";
import { encodeSnapshot } from "../actors/snapshot.ts";
import { encodeCommand } from "../bus/codec.ts";
import type { NatsConnection } from "../bus/connect.ts";
import { testNats } from "../cli/provision/vitest-servers.ts";
import type { Journal } from "./journal.ts";
import {
  connectAs,
  type FaultyConnection,
  faulty,
  journalOf,
  prepareStreams,
} from "./testing/bus-fixture.ts";
import {
  authorize,
  beginShard,
  found,
  newId,
  send,
  settle,
  type TestShard,
} from "./testing/shard-fixture.ts";

const SHARDS = 1;
const nats = await testNats({ shards: SHARDS });
let nc: NatsConnection;
let network: FaultyConnection;
let journal: Journal;
const begun: TestShard[] = [];
let count = 0;
/** A workspace of its own for each test: they share one journal. */
let ws = "";

beforeAll(async () => {
  nc = await connectAs(nats, "node");
  network = faulty(await connectAs(nats, "node"));
  await prepareStreams(nc, SHARDS);
  journal = journalOf(network.nc, nc);
  return async () => {
    await nc.close();
    await network.nc.close();
  };
});

afterEach(() => {
  network.fault = () => "none";
  for (const { term } of begun.splice(0)) term.abandon("test over");
});

async function begin(): Promise<TestShard> {
  const shard = await beginShard(journal);
  begun.push(shard);
  return shard;
}

async function beginWith(): Promise<TestShard> {
  const shard = await begin();
  ws = `ws-${++count}`;
  await found(shard.term, ws);
  return shard;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function code(answer: Answer | undefined): string | undefined {
  return answer?.kind === "refused" ? answer.code : answer?.kind;
}

/** A journal whose next append waits for `release`, before or after it reaches the server. */
function heldBack(when: "before" | "after") {
  const gate = Promise.withResolvers<void>();
  let held = 0;
  const slow: Journal = {
    claim: (owner) => journal.claim(owner),
    end: () => journal.end(),
    replay: (from, until, each) => journal.replay(from, until, each),
    resolve: (block, tail) => journal.resolve(block, tail),
    async append(block, tail, claim) {
      const wait = held++ === 0;
      if (wait && when === "before") await gate.promise;
      const outcome = await journal.append(block, tail, claim);
      if (wait && when === "after") await gate.promise;
      return outcome;
    },
  };
  return { slow, release: gate.resolve, appends: () => held };
}

describe("answers", () => {
  test.each(["before", "after"] as const)(
    "wait for the acknowledgement of their block (append held back %s the server)",
    async (when) => {
      await beginWith();
      const { slow, release } = heldBack(when);
      const { term } = await beginShard(slow);
      const first = send(term, ws, authorize());
      const second = send(term, ws, authorize());
      await pause(50);
      expect([first.answered, second.answered]).toEqual([undefined, undefined]);
      expect(term.workspaces.get(ws)?.authorizations.size).toBe(2);
      release();
      expect(code(await first.answer)).toBe("decided");
      expect(code(await second.answer)).toBe("decided");
      term.abandon("test over");
    },
  );

  test("alarms wait with them: nothing is cried out that the journal may never hold", async () => {
    const { term: before } = await beginWith();
    const command = authorize();
    await send(before, ws, command).answer;
    const { slow, release } = heldBack("before");
    const { term, log } = await beginShard(slow);
    const unpriced = { ...settle(command.authorization), model: "nobody-knows-it" };
    const sent = send(term, ws, unpriced);
    await pause(20);
    const alarms = () => log.lines.filter(({ level }) => level === "alarm");
    expect(alarms()).toEqual([]);
    release();
    await sent.answer;
    expect(alarms()).toMatchObject([{ fields: { authorization: command.authorization, ws } }]);
    term.abandon("test over");
  });

  test("group commit: what is decided while a block is in flight travels in the next one", async () => {
    await beginWith();
    const { slow, release, appends } = heldBack("before");
    const { term } = await beginShard(slow);
    const first = send(term, ws, authorize());
    await pause(5);
    const rest = Array.from({ length: 50 }, () => send(term, ws, authorize()));
    await pause(20);
    release();
    await Promise.all([first.answer, ...rest.map((sent) => sent.answer)]);
    expect(appends()).toBe(2);
    term.abandon("test over");
  });

  test("a repeat waits for a block sent after it came, empty if need be", async () => {
    const { term } = await beginWith();
    const command = authorize();
    const first = await send(term, ws, command).answer;
    const before = term.tail.seq;
    expect(await send(term, ws, command).answer).toEqual(first);
    expect(term.tail.seq).toBe(before + 1);
    // The founding price and configure, and one authorize.
    expect(term.stats.entries).toBe(3);
  });

  test("inspect waits for nothing", async () => {
    await beginWith();
    const { slow, release } = heldBack("before");
    const { term } = await beginShard(slow);
    const held = send(term, ws, authorize());
    const seen = await send(term, ws, { kind: "inspect" }).answer;
    expect(seen).toMatchObject({ kind: "inspected", open_holds: 1 });
    expect(held.answered).toBeUndefined();
    release();
    await held.answer;
    term.abandon("test over");
  });
});

describe("append unresolved", () => {
  test.each(["lost-reply", "lost-request"] as const)(
    "%s: commands are refused at once, the block is there once, its answers leave",
    async (kind) => {
      const { term, log } = await beginWith();
      let appends = 0;
      let reads = 0;
      network.fault = (subject) => {
        if (subject.endsWith(".block")) return appends++ < 1 ? kind : "none";
        // The leader cannot be read at first: the owner must not guess.
        if (subject.includes("STREAM.MSG.GET")) return reads++ < 3 ? "lost-request" : "none";
        return "none";
      };
      const command = authorize();
      const sent = send(term, ws, command);
      while (term.stats.phase === "active") await pause(5);
      expect(term.stats.phase).toBe("unresolved");
      expect(sent.answered).toBeUndefined();
      expect(code(await send(term, ws, authorize()).answer)).toBe("append-unresolved");
      const answer = await sent.answer;
      expect(code(answer)).toBe("decided");
      expect(term.stats.phase).toBe("active");
      expect(log.lines.map((line) => line.message)).toContain("append unresolved");
      expect(await send(term, ws, command).answer).toEqual(answer);

      const next = await begin();
      const record = next.term.workspaces.get(ws)?.authorizations.get(command.authorization);
      expect(record?.state).toBe("open");
      expect(next.term.workspaces.get(ws)?.authorizations.size).toBe(1);
    },
  );

  test("foreign message at tail + 1: the term is over and nothing is answered", async () => {
    const { term } = await beginWith();
    const next = await begin();
    const sent = send(term, ws, authorize());
    expect((await term.ended).kind).toBe("conflict");
    await pause(20);
    expect(sent.answered).toBeUndefined();
    expect(code(await send(term, ws, authorize()).answer)).toBe("fail-closed");
    expect(code(await send(next.term, ws, authorize()).answer)).toBe("decided");
  });

  test("zombie: a repeat of what it knows well is not answered either", async () => {
    const { term } = await beginWith();
    const command = authorize();
    await send(term, ws, command).answer;
    const next = await begin();
    const late = send(term, ws, command);
    await term.ended;
    await pause(20);
    expect(late.answered).toBeUndefined();
    expect(code(await send(next.term, ws, command).answer)).toBe("decided");
  });
});

describe("not decided", () => {
  test("a command that lay longer than its time to live", async () => {
    const { term } = await beginWith();
    const before = term.tail.seq;
    const old = { arrivedAt: performance.now() - 500, ttlMs: 400 };
    expect(code(await send(term, ws, authorize(), old).answer)).toBe("too-late");
    expect(term.tail.seq).toBe(before);
  });

  test("a workspace of another shard", async () => {
    const shard = await beginShard(journal, undefined, {
      shard: 0,
      era: 1,
      shards: 1_000,
      owner: "t",
    });
    const answer = await send(shard.term, "somebody-elses", authorize()).answer;
    expect(code(answer)).toBe("misrouted");
    shard.term.abandon("test over");
  });

  test("a payload that is not what its subject says, or is no command at all", async () => {
    const { term } = await beginWith();
    const asSettle = { kind: "settle" };
    expect(code(await send(term, ws, authorize(), asSettle).answer)).toBe("bad-request");
    const junk = { bytes: Buffer.from("{") };
    expect(code(await send(term, ws, authorize(), junk).answer)).toBe("bad-request");
    const wide = { bytes: Buffer.alloc(200 * 1024, 32) };
    expect(code(await send(term, ws, authorize(), wide).answer)).toBe("body-too-large");
  });

  test("what no entry can hold: attributes over 2 KiB, a zone that is none", async () => {
    const { term } = await beginWith();
    const attributes = Object.fromEntries(
      Array.from({ length: 5 }, (_, i) => [`a${i}`, "x".repeat(500)]),
    );
    const answer = await send(term, ws, { ...authorize(), attributes }).answer;
    expect(answer).toMatchObject({
      code: "bad-request",
      problems: [expect.stringContaining("2048")],
    });
  });
});

describe("term", () => {
  test("replay: another owner comes to the very same state", async () => {
    const { term } = await beginWith();
    const ids = Array.from({ length: 40 }, newId);
    const answers = await Promise.all(ids.map((id) => send(term, ws, authorize(id)).answer));
    expect(new Set(answers.map(code))).toEqual(new Set(["decided"]));
    await Promise.all(ids.slice(0, 20).map((id) => send(term, ws, settle(id)).answer));
    const live = term.workspaces.get(ws);
    await term.stop();
    const next = await begin();
    const replayed = next.term.workspaces.get(ws);
    if (live === undefined || replayed === undefined) throw new Error("no workspace");
    // R13 is of the term, not of the journal.
    replayed.holdsUntil = live.holdsUntil;
    expect(encodeSnapshot(replayed)).toBe(encodeSnapshot(live));
  });

  test("takeover: the first entry of a term in a workspace says whose it is", async () => {
    await beginWith();
    const { term } = await begin();
    const before = term.stats.entries;
    await send(term, ws, authorize()).answer;
    await send(term, ws, authorize()).answer;
    expect(term.stats.entries).toBe(before + 3);
  });

  test("stop: what came before is answered, what comes after is not decided", async () => {
    const { term } = await beginWith();
    const sent = Array.from({ length: 20 }, () => send(term, ws, authorize()));
    const stopped = term.stop();
    expect(code(await send(term, ws, authorize()).answer)).toBe("fail-closed");
    await stopped;
    expect(sent.map((each) => code(each.answered))).toEqual(sent.map(() => "decided"));
  });

  test("halt: a workspace that contradicts itself stops, the others go on", async () => {
    const { term, log } = await beginWith();
    const broken = ws;
    ws = `ws-${++count}`;
    await found(term, ws);
    const state = term.workspaces.get(broken);
    if (state === undefined) throw new Error("no workspace");
    // Memory that belongs to a later term: what the next turn writes cannot follow it.
    state.epoch = 1_000_000n;
    expect(code(await send(term, broken, authorize()).answer)).toBe("halted");
    expect(code(await send(term, broken, authorize()).answer)).toBe("halted");
    expect(log.lines).toContainEqual(
      expect.objectContaining({ level: "alarm", message: "workspace halted" }),
    );
    expect(code(await send(term, ws, authorize()).answer)).toBe("decided");
  });

  test("overload: a full block leaves the rest in the mailbox, and all of it is answered", async () => {
    const { term } = await beginWith();
    const sent = Array.from({ length: 1_000 }, () => send(term, ws, authorize()));
    expect(term.stats.mailbox).toBeGreaterThan(0);
    const answers = await Promise.all(sent.map((each) => each.answer));
    expect(new Set(answers.map(code))).toEqual(new Set(["decided"]));
    expect(term.stats.mailbox).toBe(0);
  });

  test("record that memory forgot: read from Postgres; with Postgres away, not decided", async () => {
    const { term, stores } = await beginWith();
    const command = settle(newId());
    stores.away = new Error("Postgres is away");
    expect(code(await send(term, ws, command).answer)).toBe("fail-closed");
    stores.away = undefined;
    stores.durable = term.claim.seq;
    expect(code(await send(term, ws, command).answer)).toBe("unknown-authorization");
  });

  test("record that memory forgot: waits for a projection that has not reached this term", async () => {
    const { term, stores } = await beginWith();
    stores.durable = term.claim.seq - 1;
    let answered = false;
    const { answer } = send(term, ws, settle(newId()));
    void answer.then(() => {
      answered = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    // Entries of this id may stand in what the projection has not shown yet.
    expect(answered).toBe(false);
    stores.durable = term.claim.seq;
    expect(code(await answer)).toBe("unknown-authorization");
  });
});

test("encodeCommand: the same command is the same bytes", () => {
  const command = authorize();
  expect(encodeCommand({ ...command })).toEqual(encodeCommand(command));
});
