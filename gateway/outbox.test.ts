/**
 * Goal: what a gateway owes the ledger is never lost and never posted as another amount, whenever the
 * process or the machine dies and however the file ends.
 * Method: a disk in memory that knows what was written and what was synced, and that crashes at every
 * write in turn, with nothing, half or all of that write on it; then a second process opens the file.
 */

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { SettleCommand, VoidCommand } from "../actors/commands.ts";
import { newForwardedId } from "./call-ids.ts";
import { type Deliver, Outbox } from "./outbox.ts";
import type { OwedCommand } from "./outbox-records.ts";
import { OutboxFile, type OutboxStorage, OutboxTaken } from "./outbox-storage.ts";
import { memoryLog, settle, VirtualClock } from "./testing/virtual-clock.ts";

const WS = "acme";

/** A disk that can crash: `written` survives the process, `synced` the machine. */
class Disk implements OutboxStorage {
  written: Buffer = Buffer.alloc(0);
  synced: Buffer = Buffer.alloc(0);
  /** Writes and syncs from now on until the crash; Infinity never crashes. */
  stepsLeft = Number.POSITIVE_INFINITY;
  /** Share of the crashing write that still reaches the disk. */
  torn = 0;
  crashed = false;

  read(): Promise<Buffer> {
    return Promise.resolve(this.written);
  }
  async append(bytes: Buffer): Promise<void> {
    const kept = this.#step() ? bytes.length : Math.floor(bytes.length * this.torn);
    this.written = Buffer.concat([this.written, bytes.subarray(0, kept)]);
    this.#check();
  }
  async sync(): Promise<void> {
    if (this.#step()) this.synced = this.written;
    this.#check();
  }
  async replace(bytes: Buffer): Promise<void> {
    if (this.#step()) this.written = this.synced = bytes;
    this.#check();
  }
  async close(): Promise<void> {}

  #step(): boolean {
    if (this.crashed) throw new Error("the disk is gone");
    this.crashed = --this.stepsLeft < 0;
    return !this.crashed;
  }
  #check(): void {
    if (this.crashed) throw new Error("the disk is gone");
  }
}

function settleOf(authorization: string, output?: bigint): SettleCommand {
  const base = { kind: "settle", authorization, part: "1", final: true } as const;
  return output === undefined ? base : { ...base, usage: { output } };
}

function voidOf(authorization: string): VoidCommand {
  return { kind: "void", authorization, reason: "test" };
}

async function open(disk: OutboxStorage, clock = new VirtualClock()) {
  const log = memoryLog();
  return { ...(await Outbox.open(disk, clock, log)), clock, log };
}

/** Opens the file as the next process does, and gathers what it delivers. */
async function nextProcess(disk: Disk, from: "synced" | "written" = "written") {
  const next = new Disk();
  next.written = next.synced = disk[from];
  const { outbox, recovered, clock } = await open(next);
  const delivered: OwedCommand[] = [];
  outbox.start(
    async (_ws, command) => {
      delivered.push(command);
      return "delivered";
    },
    () => undefined,
  );
  await clock.advance(60_000);
  expect(outbox.owedCount).toBe(0);
  return { delivered, recovered };
}

const ids = Array.from({ length: 4 }, (_, i) => newForwardedId(Date.UTC(2026, 10, 22) + i)) as [
  string,
  string,
  string,
  string,
];

describe("recovery", () => {
  test("recover: a call in flight settles at its hold, one with the last word as measured", async () => {
    const disk = new Disk();
    const { outbox, clock } = await open(disk);
    for (const id of ids) await outbox.note(WS, id);
    outbox.noteUsage(WS, settleOf(ids[1], 7n), false);
    outbox.noteUsage(WS, settleOf(ids[2], 9n), true);
    outbox.noteUsage(WS, settleOf(ids[2], 99n), false);
    outbox.done(ids[3], "1");
    await clock.advance(100);
    const { delivered, recovered } = await nextProcess(disk);
    expect(recovered).toEqual({ inFlight: 3, owed: 0, damaged: 0 });
    expect(delivered).toEqual([settleOf(ids[0]), settleOf(ids[1]), settleOf(ids[2], 9n)]);
  });

  test("recover: what is owed survives the machine, not only the process", async () => {
    const disk = new Disk();
    const { outbox } = await open(disk);
    await outbox.note(WS, ids[0]);
    await outbox.owe(WS, settleOf(ids[0], 5n));
    await outbox.owe(WS, voidOf(ids[1]));
    const { delivered, recovered } = await nextProcess(disk, "synced");
    expect(recovered).toMatchObject({ owed: 2, inFlight: 0 });
    expect(delivered).toEqual([settleOf(ids[0], 5n), voidOf(ids[1])]);
  });

  test("recover: a crash at every write loses nothing that was promised", async () => {
    for (const torn of [0, 0.5, 1]) {
      for (let step = 0; step < 9; step++) {
        const disk = new Disk();
        disk.torn = torn;
        const { outbox, clock } = await open(disk);
        disk.stepsLeft = step;
        const promised = new Map<string, "assumed" | bigint>();
        for (const [i, id] of ids.entries()) {
          try {
            await outbox.note(WS, id);
            promised.set(id, "assumed");
          } catch {
            continue;
          }
          if (i === 1) outbox.noteUsage(WS, settleOf(id, 3n), true);
          if (i === 2) {
            await outbox.owe(WS, settleOf(id, 4n));
            if (!disk.crashed) promised.set(id, 4n);
          }
          if (i === 3) outbox.done(id, "1");
          await settle();
          // Its settle was acked: whether the line that says so is on the disk changes nothing.
          if (i === 3) promised.delete(id);
        }
        await clock.advance(1);
        const { delivered } = await nextProcess(disk);
        for (const [id, amount] of promised) {
          const found = delivered.find(({ authorization }) => authorization === id);
          const expected = amount === "assumed" ? found : settleOf(id, amount);
          expect(found, `step ${step}, torn ${torn}`).toBeDefined();
          expect(found).toEqual(expected);
        }
        // Nothing is delivered for a call whose note failed, unless that note did reach the disk.
        for (const { authorization } of delivered) expect(ids).toContain(authorization);
      }
    }
  });

  test("recover: damage anywhere costs the lines it touches and is reported", async () => {
    const disk = new Disk();
    const { outbox } = await open(disk);
    for (const id of ids) await outbox.note(WS, id);
    const whole = disk.written;
    await fc.assert(
      fc.asyncProperty(
        fc.nat(whole.length - 1),
        fc.integer({ min: 1, max: 255 }),
        async (at, flip) => {
          const hurt = new Disk();
          hurt.written = Buffer.from(whole);
          hurt.written[at] = (hurt.written[at] ?? 0) ^ flip;
          const { delivered, recovered } = await nextProcess(hurt);
          expect(recovered.damaged).toBeGreaterThan(0);
          expect(delivered.length).toBeGreaterThanOrEqual(2);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("recover: a line after half a line begins on a new one", async () => {
    const disk = new Disk();
    const { outbox } = await open(disk);
    await outbox.note(WS, ids[0]);
    disk.torn = 0.5;
    disk.stepsLeft = 0;
    await expect(outbox.note(WS, ids[1])).rejects.toThrow("the disk is gone");
    disk.crashed = false;
    disk.stepsLeft = Number.POSITIVE_INFINITY;
    await outbox.note(WS, ids[2]);
    const { delivered, recovered } = await nextProcess(disk);
    expect(recovered.damaged).toBe(1);
    expect(delivered).toEqual([settleOf(ids[0]), settleOf(ids[2])]);
  });
});

test("compact: notes that are written while the file is rewritten stay in it", async () => {
  const disk = new Disk();
  const { outbox } = await open(disk);
  const many = Array.from({ length: 45_000 }, (_, i) => newForwardedId(Date.UTC(2026, 10, 22) + i));
  await Promise.all(many.map((id) => outbox.note(WS, id)));
  const { recovered } = await open(disk);
  expect(recovered).toEqual({ inFlight: many.length, owed: 0, damaged: 0 });
});

describe("delivery", () => {
  function scripted(answers: readonly Awaited<ReturnType<Deliver>>[]) {
    const at: number[] = [];
    let next = 0;
    return {
      at,
      deliver:
        (clock: VirtualClock): Deliver =>
        async () => {
          at.push(clock.monotonicMs());
          return answers[Math.min(next++, answers.length - 1)] ?? "retry";
        },
    };
  }

  test("deliver: tries again, ever more slowly up to ten seconds, until it is acked", async () => {
    const disk = new Disk();
    const { outbox, clock } = await open(disk);
    const script = scripted([...Array.from({ length: 12 }, () => "retry" as const), "delivered"]);
    const settled: string[] = [];
    outbox.start(script.deliver(clock), (_ws, id) => settled.push(id));
    await outbox.owe(WS, settleOf(ids[0]));
    await clock.advance(120_000);
    const gaps = script.at.slice(1).map((at, i) => at - (script.at[i] ?? 0));
    expect(gaps).toEqual([
      100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000, 10_000, 10_000, 10_000,
    ]);
    expect(settled).toEqual([ids[0]]);
    expect((await nextProcess(disk)).delivered).toEqual([]);
  });

  test("deliver: a refusal for good ends it, loudly, and stays in the file's history", async () => {
    const disk = new Disk();
    const { outbox, clock, log } = await open(disk);
    outbox.start(scripted([{ refused: "unknown-authorization" }]).deliver(clock), () => undefined);
    await outbox.owe(WS, settleOf(ids[0]));
    await clock.advance(1_000);
    expect(outbox.owedCount).toBe(0);
    expect(log.messages).toContainEqual(expect.stringMatching(/^error: the engine refuses/));
    expect(disk.written.toString()).toContain("unknown-authorization");
  });

  test("deliver: the same part is owed once", async () => {
    const { outbox } = await open(new Disk());
    await outbox.owe(WS, settleOf(ids[0], 1n));
    await outbox.owe(WS, settleOf(ids[0], 1n));
    expect(outbox.owedCount).toBe(1);
  });

  test("deliver: a full disk keeps it in memory and delivers all the same", async () => {
    const disk = new Disk();
    const { outbox, clock, log } = await open(disk);
    disk.crashed = true;
    await outbox.owe(WS, settleOf(ids[0]));
    expect(log.messages).toContainEqual(expect.stringMatching(/could not be written/));
    const delivered: OwedCommand[] = [];
    outbox.start(
      async (_ws, command) => {
        delivered.push(command);
        return "delivered";
      },
      () => undefined,
    );
    await clock.advance(10);
    expect(delivered).toEqual([settleOf(ids[0])]);
  });
});

describe("the file", () => {
  test("file: a live process keeps others out, a dead one does not; it grows no further than it must", async () => {
    const folder = await mkdtemp(join(tmpdir(), "tarmac-outbox-"));
    try {
      const path = join(folder, "deep", "outbox.log");
      const { outbox, clock } = await open(await OutboxFile.open(path));
      // Process 1 lives on every machine.
      await writeFile(`${path}.lock`, "1");
      await expect(OutboxFile.open(path)).rejects.toThrow(OutboxTaken);
      await writeFile(`${path}.lock`, "999999999");
      for (let i = 0; i < 12_000; i++) {
        const id = newForwardedId(Date.UTC(2026, 10, 22) + i);
        const noted = outbox.note(WS, id);
        if (i % 100 === 0) await noted;
        outbox.done(id, "1");
      }
      await outbox.note(WS, ids[0]);
      await clock.advance(1);
      await outbox.close();
      expect((await readFile(path)).length).toBeLessThan(4.5 * 1024 * 1024);
      const second = await open(await OutboxFile.open(path));
      expect(second.recovered).toMatchObject({ damaged: 0 });
      expect(second.outbox.owedCount).toBeGreaterThanOrEqual(1);
      await second.outbox.close();
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
