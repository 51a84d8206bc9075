/**
 * Real entries in real journals: workspaces work commands as an owner's do, and what they decide is
 * appended in blocks. The projection is then compared with the very state that the entries come to.
 */
import { randomBytes } from "node:crypto";
import { type JetStreamClient, jetstream } from "@nats-io/jetstream";

import { agent, bound, usd, World } from "../../../actors/testing/world.ts";
import type { NatsConnection } from "../../../bus/connect.ts";
import { blockSubject, fenceSubject } from "../../../bus/subjects.ts";
import { BLOCK_BYTES_MAX, encodeBlock, HEADER_BYTES_MAX, NO_BLOCK_HASH } from "../../block.ts";

export const ERA = 1;

/** A small generator of its own, so that a failing run can be repeated. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One shard with its workspaces and its journal. */
export class TestLedger {
  readonly shard: number;
  readonly worlds: readonly World[];
  readonly #js: JetStreamClient;
  readonly #random: () => number;
  /** How many entries of each workspace are in the journal. */
  readonly #appended: number[];
  #epoch = 0n;
  #blocks = 0;
  #prev = NO_BLOCK_HASH;

  constructor(nc: NatsConnection, shard: number, workspaces: readonly string[], seed = 1) {
    this.shard = shard;
    this.#js = jetstream(nc);
    this.#random = mulberry32(seed + shard);
    this.worlds = workspaces.map(
      (ws) =>
        new World({
          ws,
          caps: { month: usd("40.00") },
          agents: {
            bot: agent({ caps: { month: usd("30.00"), run: usd("0.20") }, cost_center: "support" }),
            "bot-2": agent({ caps: { year: usd("12.00") }, on_expiry: "capture", team: "core" }),
          },
          changes: [
            { id: "support", item: "cost_center", value: { caps: {} } },
            { id: "core", item: "team", value: { caps: { month: usd("100.00") } } },
          ],
        }),
    );
    this.#appended = workspaces.map(() => 0);
  }

  /** How many entries there are in all workspaces. */
  get size(): number {
    return this.worlds.reduce((sum, world) => sum + world.entries.length, 0);
  }

  /** A new term. */
  async claim(): Promise<void> {
    this.#epoch += 1n;
    this.#blocks = 0;
    for (const world of this.worlds) world.epoch = this.#epoch;
    const claim = {
      epoch: String(this.#epoch),
      era: ERA,
      nonce: randomBytes(16).toString("hex"),
      owner: "test",
      shard: this.shard,
    };
    await this.#js.publish(fenceSubject(this.shard, ERA), JSON.stringify(claim));
  }

  /** Works calls of every kind: most are settled, some partly, late, above the hold, or not at all. */
  work(calls: number): void {
    for (let i = 0; i < calls; i++) {
      const world = this.#pick(this.worlds);
      world.now += Math.floor(this.#random() * 40);
      this.#call(world);
      // Once in a while a minute passes, and what is open expires.
      if (this.#random() < 0.01) world.now += 61_000;
    }
  }

  #call(world: World): void {
    const dice = this.#random();
    const decided = world.authorize({
      agent: this.#random() < 0.7 ? "bot" : "bot-2",
      authorization: world.id(),
      usage_bound: bound(BigInt(Math.floor(this.#random() * 9_000)) + 1n, 400n),
      ...(this.#random() < 0.4 ? { run: `run-${Math.floor(this.#random() * 9)}` } : {}),
      ...(this.#random() < 0.2 ? { idempotency: randomBytes(32).toString("hex") } : {}),
      ...(this.#random() < 0.3 ? { attributes: { Kunde: "Müller & Söhne 🚀" } } : {}),
    });
    const { authorization } = decided;
    const usage = { input: BigInt(Math.floor(this.#random() * 9_000)), output: 100n };
    if (decided.state !== "open") return;
    if (dice < 0.6) world.settle(authorization, { usage });
    else if (dice < 0.7) world.settle(authorization, { usage, final: false });
    else if (dice < 0.75) world.settle(authorization);
    else if (dice < 0.8) world.send({ authorization, kind: "void", reason: "provider refused" });
    else if (dice < 0.85) {
      world.settle(authorization);
      world.settle(authorization, { part: "2", usage });
    } else if (dice < 0.9) {
      world.now += 31_000;
      world.settle(authorization, { usage });
    } else if (dice < 0.92) {
      world.settle(authorization, { usage: { input: 90_000n, output: 8_000n } });
      world.send({
        amount: usd("0.01"),
        authorization,
        by: "test",
        kind: "adjust",
        part: "a1",
        reason: "billed more",
      });
    } else if (dice < 0.93) {
      const unknown = world.id();
      world.send({ authorization: unknown, kind: "void", reason: "no answer came" });
    }
  }

  /** Adds an agent, or removes it again, by a part that another one commits; and changes a cap. */
  reconfigure(world: World): void {
    const { config, configSeq } = world.state;
    const head = {
      base_seq: configSeq,
      by: "test",
      kind: "configure",
      stage: `${configSeq}`,
    } as const;
    const late = config.agents.has("late-bot") ? {} : { value: agent({ priority: "P2" }) };
    const caps = { month: usd(`${configSeq}.00`) };
    world.send({ ...head, changes: [[{ id: "late-bot", item: "agent", ...late }]], commit: false });
    world.send({
      ...head,
      changes: [[{ id: "support", item: "cost_center", value: { caps } }]],
      commit: true,
      policy: { rebalancing: [], rules: [] },
    });
  }

  /** Appends all that is new, in blocks of so many bytes at most, mixed over the workspaces. */
  async append(blockBytes = BLOCK_BYTES_MAX, change?: (lines: string[]) => void): Promise<void> {
    const limit = blockBytes - HEADER_BYTES_MAX;
    let lines: string[] = [];
    let bytes = 0;
    for (const line of this.#newLines()) {
      const size = Buffer.byteLength(line) + 1;
      if (bytes + size > limit) {
        await this.#publish(lines, change);
        lines = [];
        bytes = 0;
      }
      lines.push(line);
      bytes += size;
    }
    await this.#publish(lines, change);
  }

  async #publish(lines: string[], change?: (lines: string[]) => void): Promise<void> {
    change?.(lines);
    this.#blocks += 1;
    const sealed = encodeBlock(
      {
        epoch: this.#epoch,
        era: ERA,
        number: this.#blocks,
        owner: "test",
        prev: this.#prev,
        shard: this.shard,
      },
      lines,
    );
    this.#prev = sealed.hash;
    await this.#js.publish(blockSubject(this.shard, ERA), sealed.bytes);
  }

  /** Workspaces take turns by a few entries, as their commands do. */
  *#newLines(): Generator<string> {
    for (let left = true; left; ) {
      left = false;
      for (const [index, world] of this.worlds.entries()) {
        const from = this.#appended[index] ?? 0;
        const some = world.entries.slice(from, from + 3);
        this.#appended[index] = from + some.length;
        for (const { line } of some) yield line;
        left ||= some.length > 0;
      }
    }
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random() * list.length)] as T;
  }
}
