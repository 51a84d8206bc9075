/**
 * Goal: the journal's protocol on a real nats-server: three outcomes of an append, told apart in both
 * forms of a lost acknowledgement; fences that no late owner passes; replay up to the own claim.
 * Method: journals over connections whose requests or replies are lost on demand.
 */
import { readdir, readFile } from "node:fs/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import { beforeAll, describe, expect, test } from "vitest";
import type { NatsConnection } from "../bus/connect.ts";
import { journalStream } from "../bus/subjects.ts";
import { testNats } from "../cli/provision/vitest-servers.ts";
import { encodeBlock, NO_BLOCK_HASH } from "./block.ts";
import type { Claim, Journal, JournalMessage } from "./journal.ts";
import { ClaimLost } from "./journal.ts";
import {
  connectAs,
  type FaultyConnection,
  faulty,
  journalOf,
  prepareStreams,
} from "./testing/bus-fixture.ts";

const SHARDS = 4;
const nats = await testNats({ shards: SHARDS });
let nc: NatsConnection;
let network: FaultyConnection;

beforeAll(async () => {
  nc = await connectAs(nats, "node");
  network = faulty(await connectAs(nats, "node"));
  await prepareStreams(nc, SHARDS);
  return async () => {
    await nc.close();
    await network.nc.close();
  };
});

/** A block that no other test writes. */
let number = 0;
function block(claim: Claim, lines: readonly string[] = []) {
  number += 1;
  const header = { epoch: claim.epoch, era: 1, number, owner: claim.owner, prev: NO_BLOCK_HASH };
  return encodeBlock({ ...header, shard: 0 }, lines).bytes;
}

async function lastSeq(shard = 0): Promise<number> {
  const jsm = await jetstreamManager(nc);
  return (await jsm.streams.info(journalStream(shard, 1))).state.last_seq;
}

async function appendOk(journal: Journal, bytes: Uint8Array, tail: number, claim: Claim) {
  expect(await journal.append(bytes, tail, claim)).toEqual({ kind: "appended", seq: tail + 1 });
}

describe("claim", () => {
  test("raises the epoch and stands in the journal with the server's stamp", async () => {
    const journal = journalOf(nc, nc);
    const first = await journal.claim("a");
    const second = await journal.claim("b");
    expect(second.epoch).toBe(first.epoch + 1n);
    expect(second.seq).toBe(first.seq + 1);
    expect(second.at).toBeGreaterThanOrEqual(first.at);
    expect(Math.abs(second.at - Date.now())).toBeLessThan(2_000);
  });

  test.each(["lost-reply", "lost-request"] as const)(
    "is one claim when its answer is a %s",
    async (kind) => {
      const before = await lastSeq();
      let lost = 0;
      network.fault = (subject) => (subject.endsWith(".fence") && lost++ === 0 ? kind : "none");
      const claim = await journalOf(network.nc, nc).claim("lossy");
      network.fault = () => "none";
      expect(claim.seq).toBe(before + 1);
      expect(await lastSeq()).toBe(before + 1);
      expect(lost).toBeGreaterThan(1);
    },
  );

  test("races: each claim is a term of its own, and losers know that they lost", async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, (_, i) => journalOf(nc, nc, 1).claim(`racer-${i}`)),
    );
    const claims = results.flatMap((r) => (r.status === "fulfilled" ? [r.value] : []));
    const lost = results.flatMap((r) => (r.status === "rejected" ? [r.reason as unknown] : []));
    expect(new Set(claims.map((claim) => claim.epoch)).size).toBe(claims.length);
    expect(claims.length).toBeGreaterThan(0);
    for (const reason of lost) expect(reason).toBeInstanceOf(ClaimLost);
    expect(await lastSeq(1)).toBe(claims.length);
  });
});

describe("append", () => {
  test("is acknowledged behind the tail", async () => {
    const journal = journalOf(nc, nc);
    const claim = await journal.claim("a");
    await appendOk(journal, block(claim), claim.seq, claim);
    await appendOk(journal, block(claim), claim.seq + 1, claim);
  });

  test("acknowledgement lost: unknown, found to be ours, and there once", async () => {
    const journal = journalOf(network.nc, nc);
    const claim = await journal.claim("a");
    const bytes = block(claim);
    network.fault = (subject) => (subject.endsWith(".block") ? "lost-reply" : "none");
    expect((await journal.append(bytes, claim.seq, claim)).kind).toBe("unknown");
    network.fault = () => "none";
    expect(await journal.resolve(bytes, claim.seq)).toBe("ours");
    // On one server the check comes before the duplicate filter: one's own block answers an error.
    const again = await journal.append(bytes, claim.seq, claim);
    expect(again.kind).toBe("unknown");
    expect(await journal.resolve(bytes, claim.seq)).toBe("ours");
    expect(await lastSeq()).toBe(claim.seq + 1);
  });

  test("block lost: unknown, found to be absent, and appended by the identical bytes", async () => {
    const journal = journalOf(network.nc, nc);
    const claim = await journal.claim("a");
    const bytes = block(claim);
    network.fault = (subject) => (subject.endsWith(".block") ? "lost-request" : "none");
    expect((await journal.append(bytes, claim.seq, claim)).kind).toBe("unknown");
    network.fault = () => "none";
    expect(await journal.resolve(bytes, claim.seq)).toBe("absent");
    await appendOk(journal, bytes, claim.seq, claim);
    expect(await journal.resolve(bytes, claim.seq)).toBe("ours");
  });

  test("zombie: after another claim nothing lands, however late and however often", async () => {
    const journal = journalOf(nc, nc);
    const zombie = await journal.claim("zombie");
    await appendOk(journal, block(zombie), zombie.seq, zombie);
    const owner = await journal.claim("owner");
    const bytes = block(zombie);
    for (const tail of [zombie.seq + 1, owner.seq, owner.seq + 1]) {
      expect((await journal.append(bytes, tail, zombie)).kind).not.toBe("appended");
    }
    expect(await journal.resolve(bytes, zombie.seq + 1)).toBe("foreign");
    await appendOk(journal, block(owner), owner.seq, owner);
    // Also when the tail is guessed right, the fence is not the zombie's.
    expect((await journal.append(bytes, owner.seq + 1, zombie)).kind).not.toBe("appended");
    expect(await lastSeq()).toBe(owner.seq + 1);
  });

  test("zombie race: whatever the moment of the claim, no block of the old term follows it", async () => {
    const journal = journalOf(nc, nc, 2);
    for (let round = 0; round < 20; round++) {
      const zombie = await journal.claim("zombie");
      let tail = zombie.seq;
      let claiming: Promise<Claim> | undefined;
      for (let i = 0; i < 30; i++) {
        if (i === round) claiming = journalOf(nc, nc, 2).claim("owner");
        const outcome = await journal.append(block(zombie), tail, zombie);
        if (outcome.kind !== "appended") break;
        tail = outcome.seq;
      }
      const owner = (await claiming) as Claim;
      expect(owner.seq).toBeGreaterThanOrEqual(tail);
      expect(await lastSeq(2)).toBe(owner.seq);
    }
  });

  test("journal went back: a last sequence below the tail is a conflict", async () => {
    const journal = journalOf(nc, nc);
    const claim = await journal.claim("a");
    const outcome = await journal.append(block(claim), claim.seq + 5, claim);
    expect(outcome).toEqual({ kind: "conflict", seq: claim.seq });
  });

  test("server away: unknown, and never appended twice after it is back", async () => {
    const journal = journalOf(nc, nc);
    const claim = await journal.claim("a");
    nats.members[0]?.pause();
    await expect.poll(() => isStopped(nats.pid)).toBe(true);
    const bytes = block(claim);
    const outcome = await journal.append(bytes, claim.seq, claim);
    nats.members[0]?.resume();
    expect(outcome.kind).toBe("unknown");
    let resolution = await journal.resolve(bytes, claim.seq).catch(() => "fault");
    for (let i = 0; i < 50 && resolution !== "ours"; i++) {
      if (resolution === "absent") await journal.append(bytes, claim.seq, claim);
      resolution = await journal.resolve(bytes, claim.seq).catch(() => "fault");
    }
    expect(resolution).toBe("ours");
    expect(await lastSeq()).toBe(claim.seq + 1);
  });
});

/** True once every thread of a process has come to rest: the signal itself returns before that. */
async function isStopped(pid: number): Promise<boolean> {
  const tasks = await readdir(`/proc/${pid}/task`);
  const stats = await Promise.all(
    tasks.map((id) => readFile(`/proc/${pid}/task/${id}/stat`, "utf8")),
  );
  return stats.every((stat) => stat.slice(stat.lastIndexOf(")") + 2).startsWith("T"));
}

describe("replay", () => {
  test("reads everything up to the own claim, in order, and no further", async () => {
    const journal = journalOf(nc, nc, 3);
    const first = await journal.claim("a");
    const written: Uint8Array[] = [];
    for (let i = 0; i < 300; i++) {
      const bytes = block(first, [JSON.stringify({ i, pad: "x".repeat(i * 50) })]);
      await appendOk(journal, bytes, first.seq + i, first);
      written.push(bytes);
    }
    const second = await journal.claim("b");
    await appendOk(journal, block(second), second.seq, second);

    const messages: JournalMessage[] = [];
    // The bytes are good until the next message only.
    await journal.replay(0, second.seq, (m) => {
      messages.push(m.kind === "block" ? { ...m, bytes: Uint8Array.from(m.bytes) } : m);
    });
    expect(messages.map((m) => m.seq)).toEqual(messages.map((_, i) => i + 1));
    expect(messages[0]).toEqual({ kind: "claim", seq: 1, epoch: first.epoch, at: first.at });
    expect(messages.at(-1)).toEqual({
      kind: "claim",
      seq: 302,
      epoch: second.epoch,
      at: second.at,
    });
    const blocks = messages.flatMap((m) => (m.kind === "block" ? [m.bytes] : []));
    expect(blocks.map((b) => Buffer.from(b).toString())).toEqual(
      written.map((b) => Buffer.from(b).toString()),
    );
  });

  test("passes on what the reader throws", async () => {
    const journal = journalOf(nc, nc, 3);
    const broken = journal.replay(0, 10, ({ seq }) => {
      if (seq === 4) throw new RangeError("broken");
    });
    await expect(broken).rejects.toThrow(new RangeError("broken"));
  });
});
