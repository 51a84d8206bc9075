/**
 * The stage of a zombie's play: one shard, nodes that reach NATS each over a link of its own, and one
 * workspace whose cap has room for one hold, so that two owners who both decide would both be seen.
 */
import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import type { Answer, Command } from "../../../actors/commands.ts";
import { decodeAnswer, encodeCommand } from "../../../bus/codec.ts";
import { newInbox } from "../../../bus/connect.ts";
import type { EngineClient } from "../../../bus/engine-client.ts";
import { commandSubject, FIRST_ERA, journalStream } from "../../../bus/subjects.ts";
import type { RunningChild } from "../../../cli/provision/processes.ts";
import { nanoUsd } from "../../../ledger/money.ts";
import { type BenchWorkspace, benchWorkspace } from "../../cluster/workspaces.ts";
import { Link, type Passage } from "../../links/link.ts";
import { BOUND, freshId } from "../../load/holds.ts";
import type { Machine } from "./machine.ts";

/** Longer than a lease, a claim and a replay on a machine that is out of breath. ms */
export const TAKEOVER_MS = 60_000;
/** Connections of a worker, by what they carry. */
export const APPENDS = / appends$/;

export interface StagedNode {
  readonly number: number;
  readonly child: RunningChild;
  readonly link: Link;
  /** Everything that its process sends and hears, from its start. */
  readonly wire: Passage[];
}

/** A request whose every reply is heard, whoever sends it and whenever. */
export interface Overheard {
  readonly authorization: string;
  readonly answers: Answer[];
}

/** A workspace where `cap` bounds what all its holds together may take in a month. */
export function cappedWorkspace(ws: string, cap: bigint): BenchWorkspace {
  const [plenty, month] = [nanoUsd(10n ** 15n), nanoUsd(cap)];
  return benchWorkspace(ws, {
    agent: { tiers: ["S"] },
    caps: { month, run: plenty, year: plenty },
  });
}

export async function startStagedNode(machine: Machine, number: number): Promise<StagedNode> {
  const link = await Link.open({ host: "127.0.0.1", port: machine.portNumbers.nats });
  const wire: Passage[] = [];
  link.tap((passage) => wire.push(passage));
  const env = { TARMAC_NATS_URL: machine.natsUrl("node", link.port) };
  return { child: await machine.startNode(number, env), link, number, wire };
}

/** Whose process it is that answers commands of a workspace now: it is seen on the wire. */
export async function ownerOf(
  nodes: readonly StagedNode[],
  engine: EngineClient,
  workspace: BenchWorkspace,
): Promise<StagedNode> {
  const command = authorizeOf(workspace);
  await ask(engine, workspace.ws, command);
  const owner = nodes.find((node) => saidOf(node, command.authorization).length > 0);
  if (owner === undefined) throw new Error("an answer came from nowhere");
  return owner;
}

export function authorizeOf({ agent, keyId }: BenchWorkspace, authorization = freshId()) {
  return {
    agent,
    authorization,
    key: keyId,
    kind: "authorize",
    model: "auto",
    refinable: false,
    usage_bound: BOUND,
  } as const satisfies Command;
}

/** Sends an authorize once and hears whatever comes back, for as long as the connection lives. */
export function overhear(nc: NatsConnection, workspace: BenchWorkspace): Overheard {
  const inbox = newInbox(nc);
  const answers: Answer[] = [];
  nc.subscribe(inbox, {
    callback: (_, message) => {
      const parsed = decodeAnswer(message.data);
      if (parsed.ok) answers.push(parsed.value);
    },
  });
  const command = authorizeOf(workspace);
  const bytes = encodeCommand(command);
  nc.publish(commandSubject("authorize", workspace.ws), bytes, { reply: inbox });
  return { answers, authorization: command.authorization };
}

/** Asks as a client does that has all the time of a takeover. */
export function ask(engine: EngineClient, ws: string, command: Command): Promise<Answer> {
  return engine.request(ws, command, { deadlineMs: TAKEOVER_MS, tryTimeoutMs: 400 });
}

/**
 * The decisions on this authorization that a process sent on the wire to whoever asked. A refusal that
 * means *not decided* is none: a gateway takes it for no answer at all.
 */
export function saidOf({ wire }: StagedNode, authorization: string): readonly string[] {
  const sent = wire.filter(({ name, way }) => way === "up" && / commands$/.test(name));
  const frames = sent.flatMap(({ text }) => text.split(/^(?=H?PUB )/m));
  return frames.filter(
    (frame) => frame.includes(authorization) && !frame.includes('"kind":"refused"'),
  );
}

/** Answers but for refusals that mean *not decided*: nobody acts on those, whoever sends them. */
export function decisionsOf({ answers }: Overheard): readonly Answer[] {
  return answers.filter(({ kind }) => kind !== "refused");
}

/** Every block of a shard's journal that is in the stream now, as text, and how many messages it has. */
export async function readBlocks(
  operator: NatsConnection,
  shard = 0,
): Promise<{ readonly blocks: readonly string[]; readonly last: number }> {
  const manager = await jetstreamManager(operator, { checkAPI: false });
  const stream = journalStream(shard, FIRST_ERA);
  const { state } = await manager.streams.info(stream);
  const blocks: string[] = [];
  for (let seq = 1; seq <= state.last_seq; seq += 1) {
    const message = await manager.streams.getMessage(stream, { seq });
    blocks.push(message?.string() ?? "");
  }
  return { blocks, last: state.last_seq };
}

/** Stops a process where it stands, so that nothing in it runs until it is woken. */
export function freeze({ child }: StagedNode): void {
  process.kill(-child.pid, "SIGSTOP");
}

export function wake({ child }: StagedNode): void {
  process.kill(-child.pid, "SIGCONT");
}
