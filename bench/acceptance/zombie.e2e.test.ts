/**
 * Goal: an owner that was stopped, cut off or left behind can neither write, answer nor expire anything
 * once another has taken over, and finds out by itself. Method: real node processes, each behind a TCP
 * link. The link holds the very bytes of one append, or of its acknowledgement, the process is stopped
 * with SIGSTOP at that moment, and another owner works with the same money; then everything that was
 * held arrives and the process wakes. What the server says to the late append, and every byte that the
 * woken process sends, is read on the wire.
 */
import type { NatsConnection } from "@nats-io/nats-core";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { DecidedAnswer } from "../../actors/commands.ts";
import { rendezvous } from "../../actors/placement.ts";
import { connectBus, parseNatsUrl } from "../../bus/connect.ts";
import { EngineClient } from "../../bus/engine-client.ts";
import { testDatabase } from "../../cli/provision/vitest-servers.ts";
import type { BenchWorkspace } from "../cluster/workspaces.ts";
import { Machine } from "./testing/machine.ts";
import {
  APPENDS,
  ask,
  authorizeOf,
  cappedWorkspace,
  decisionsOf,
  freeze,
  overhear,
  ownerOf,
  readBlocks,
  type StagedNode,
  saidOf,
  startStagedNode,
  TAKEOVER_MS,
  wake,
} from "./testing/zombie-stage.ts";

/** Each test has a cluster of its own: what one leaves behind is no matter of the next. */
const databases = [await testDatabase(), await testDatabase(), await testDatabase()];
const POLL = { timeout: TAKEOVER_MS } as const;
let machine: Machine;
let gateway: NatsConnection;
let operator: NatsConnection;
let engine: EngineClient;
let nodes: readonly StagedNode[];
/** What one hold takes, in nano-USD. */
let oneHold: bigint;
let count = 0;
const probe = cappedWorkspace("probe", 10n ** 15n);
let workspace: BenchWorkspace;
/** The node that the shard hashes to, and the other. */
let old: StagedNode;
let fresh: StagedNode;

/** A workspace with room for one hold, decided by the node that its shard hashes to. */
beforeEach(async () => {
  count += 1;
  const postgresUrl = databases.pop();
  if (postgresUrl === undefined) throw new Error("there is a database for each test");
  machine = await Machine.create({ postgresUrl, shards: 1 });
  await machine.startNats();
  const [one, two] = await Promise.all([startStagedNode(machine, 1), startStagedNode(machine, 2)]);
  nodes = [one, two];
  const ids = nodes.map(({ number }) => ({ id: `node-${number}-0`, weight: 1 }));
  [old, fresh] = rendezvous(0, ids) === ids[0]?.id ? [one, two] : [two, one];
  gateway = await connectBus(parseNatsUrl(machine.natsUrl("gateway"), "gateway"));
  operator = await connectBus(parseNatsUrl(machine.natsUrl("operator"), "operator"));
  engine = new EngineClient(gateway);
  await machine.configure(probe);
  oneHold = (await decided(probe)).held;
  workspace = cappedWorkspace(`zombie-${count}`, oneHold + oneHold / 2n);
  await machine.configure(workspace);
  const owner = async () => (await ownerOf(nodes, engine, probe)).number;
  await expect.poll(owner, POLL).toBe(old.number);
});

afterEach(async () => {
  for (const { child, link } of nodes ?? []) {
    link.heal();
    if (child.exit() === undefined) process.kill(-child.pid, "SIGCONT");
  }
  await gateway?.close();
  await operator?.close();
  await machine?.close();
  for (const { link } of nodes ?? []) await link.close();
});

async function decided(where: BenchWorkspace, authorization?: string): Promise<DecidedAnswer> {
  const answer = await ask(engine, where.ws, authorizeOf(where, authorization));
  if (answer.kind !== "decided") throw new Error(`the engine answered ${JSON.stringify(answer)}`);
  return answer;
}

/** Waits until a term of this owner ended by itself, after so much of its log. */
async function untilItKnows({ number }: StagedNode, from: number): Promise<void> {
  const log = async () => (await machine.logOf(`node-${number}`)).slice(from);
  await expect.poll(log, POLL).toMatch(/"message":"term over"/);
}

async function logLength({ number }: StagedNode): Promise<number> {
  return (await machine.logOf(`node-${number}`)).length;
}

test("zombie: stopped between decision and append, its append is refused and its answer never leaves", async () => {
  old.link.hold(["up"], APPENDS);
  const lost = overhear(gateway, workspace);
  await expect.poll(() => old.link.held("up", APPENDS), POLL).toContain(lost.authorization);
  freeze(old);
  const logged = await logLength(old);

  // The other owner takes over, and places the one hold that the cap has room for.
  const held = await decided(workspace);
  expect(held).toMatchObject({ outcome: "admit", state: "open" });
  expect(await ownerOf(nodes, engine, probe)).toBe(fresh);
  const before = await readBlocks(operator);
  old.wire.length = 0;
  old.link.release();
  // The server itself refuses the late append, while its writer is still stopped.
  const told = () => old.wire.filter(({ name, way }) => way === "down" && APPENDS.test(name));
  await expect
    .poll(
      () =>
        told()
          .map(({ text }) => text)
          .join(""),
      POLL,
    )
    .toContain("10071");
  wake(old);
  await untilItKnows(old, logged);
  expect(decisionsOf(lost)).toEqual([]);
  expect(saidOf(old, lost.authorization)).toEqual([]);

  const repeated = await decided(workspace, lost.authorization);
  expect(repeated).toMatchObject({ blocked_by: "holds", outcome: "hold", state: "refused" });
  const after = await readBlocks(operator);
  expect(after.blocks.slice(0, before.last)).toEqual(before.blocks);
  // Written once, by the owner whose answer the client has: as the refusal that it is.
  const lines = after.blocks.flatMap((block) => block.split("\n"));
  const mine = lines.filter((line) => line.includes(`"authorization":"${lost.authorization}"`));
  expect(mine.map((line) => /"outcome":"(\w+)"/.exec(line)?.[1])).toEqual(["hold"]);
});

test("zombie: stopped between append and answer, it says nothing of what it was acknowledged", async () => {
  old.link.hold(["down"], APPENDS);
  const lost = overhear(gateway, workspace);
  const isWritten = async () =>
    (await readBlocks(operator)).blocks.some((block) => block.includes(lost.authorization));
  await expect.poll(isWritten, POLL).toBe(true);
  await expect.poll(() => old.link.held("down", APPENDS), POLL).toMatch(/"seq": ?\d+/);
  freeze(old);
  const logged = await logLength(old);

  // What was appended stands for the next owner too: its money is held, and no other hold fits.
  expect(await decided(workspace)).toMatchObject({ blocked_by: "holds", outcome: "hold" });
  const gone = { authorization: lost.authorization, kind: "void", reason: "no answer" } as const;
  expect(await ask(engine, workspace.ws, gone)).toMatchObject({ released: oneHold });
  expect(await decided(workspace)).toMatchObject({ outcome: "admit", state: "open" });

  // The acknowledgement is there when the old owner wakes, and true; its answer would be a lie.
  old.wire.length = 0;
  old.link.release();
  await expect.poll(() => old.link.held("down", APPENDS), POLL).toBe("");
  wake(old);
  await untilItKnows(old, logged);
  expect(decisionsOf(lost)).toEqual([]);
  expect(saidOf(old, lost.authorization)).toEqual([]);
});

test("partition: an owner that is cut off ends its term by itself, and neither writes nor expires", async () => {
  const { ws } = workspace;
  const held = await decided(workspace);
  old.link.hold();
  const logged = await logLength(old);
  const lost = overhear(gateway, workspace);
  await untilItKnows(old, logged);
  // Nothing told it: the link still holds whatever the server said.
  expect((await machine.logOf(`node-${old.number}`)).slice(logged)).toMatch(/the lease ran out/);

  const settle = {
    authorization: held.authorization,
    final: true,
    kind: "settle",
    part: "1",
    usage: { input: 900n, output: 70n },
  } as const;
  expect(await ask(engine, ws, settle)).toMatchObject({ kind: "posted", state: "settled" });
  const before = await readBlocks(operator);
  old.wire.length = 0;
  old.link.release();
  // It is heard again: as one that may own shards, no more as the owner it was.
  expect(await decided(workspace)).toMatchObject({ outcome: "admit" });
  expect(decisionsOf(lost)).toEqual([]);
  expect(saidOf(old, lost.authorization)).toEqual([]);
  const after = await readBlocks(operator);
  expect(after.blocks.slice(0, before.last)).toEqual(before.blocks);
});
