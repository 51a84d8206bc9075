/** The faults that are done to a world. Each ends with everything running and linked again. */
import { setTimeout as sleep } from "node:timers/promises";
import type { NatsMember } from "../../cli/provision/nats-member.ts";
import type { Way } from "../links/link.ts";
import type { World, WorldNode } from "./world.ts";

/** What a fault may use: the world, chance, and a place for what must not happen. */
export interface FaultContext {
  readonly world: World;
  /** From 0 to 1, of the run's seed. */
  readonly random: () => number;
  readonly wrong: (what: string) => void;
}

export interface Fault {
  /** Says what was done, to whom, for how long. */
  readonly run: (context: FaultContext) => Promise<string>;
  /** What it is done to: two faults at once are done to different things. */
  readonly to: "links" | "nats" | "nodes" | "postgres" | "routes";
  readonly servers?: 3;
}

const between = (random: () => number, least: number, most: number) =>
  Math.round(least + random() * (most - least));

function pick<T>(random: () => number, from: readonly T[]): T {
  const one = from[Math.floor(random() * from.length)];
  if (one === undefined) throw new Error("there is nothing to pick from");
  return one;
}

const anyNode = ({ random, world }: FaultContext): WorldNode =>
  pick(random, [...world.nodes.values()]);

const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;

/** Longer than a lease by so much that another owner has worked. */
const beyondLease = ({ random, world }: FaultContext) =>
  world.leaseMs + between(random, 500, 2_500);

/** Ends a node in order. What it does not finish in time it must not finish by force. */
async function end(context: FaultContext, node: WorldNode): Promise<void> {
  // Cut off, it cannot give up in order what it owns; after its ten seconds it ends all the same.
  const isReached = () => node.links.every((link) => link.isWhole);
  const before = isReached();
  const { code, signal } = await node.child.stop();
  if (code !== 0 && before && isReached())
    context.wrong(`node-${node.number} ended with ${code ?? signal} on SIGTERM`);
}

async function pauseNode(context: FaultContext, ms: number): Promise<string> {
  const node = anyNode(context);
  process.kill(-node.child.pid, "SIGSTOP");
  await sleep(ms);
  process.kill(-node.child.pid, "SIGCONT");
  return `node-${node.number} for ${seconds(ms)}`;
}

async function breakLinks(
  context: FaultContext,
  ms: number,
  how: (node: WorldNode) => string,
): Promise<string> {
  const node = anyNode(context);
  const what = how(node);
  await sleep(ms);
  for (const link of node.links) link.heal();
  return `node-${node.number} ${what}for ${seconds(ms)}`;
}

/** A server of the cluster: mostly the one that leads some shard's journal. */
async function anyMember({ random, world }: FaultContext): Promise<NatsMember> {
  const shard = between(random, 0, world.options.shards - 1);
  const byLeader = random() < 0.6;
  const other = pick(random, world.nats.members);
  if (!byLeader || world.nats.members.length === 1) return other;
  return (await world.leaderOf(shard).catch(() => undefined)) ?? other;
}

export const FAULTS = {
  "link-cut": {
    run: (context) =>
      breakLinks(context, beyondLease(context), ({ links }) => {
        for (const link of links) link.cut();
        return "";
      }),
    to: "links",
  },
  "link-delay": {
    run: (context) =>
      breakLinks(context, between(context.random, 1_000, 4_000), ({ links }) => {
        const ms = between(context.random, 20, 150);
        for (const link of links) link.delay(ms);
        return `by ${ms} ms `;
      }),
    to: "links",
  },
  "link-flap": {
    run: (context) =>
      breakLinks(context, between(context.random, 20, 200), ({ links }) => {
        for (const link of links) link.cut();
        return "";
      }),
    to: "links",
  },
  "link-half-open": {
    run: (context) =>
      breakLinks(context, beyondLease(context), ({ links }) => {
        const way: Way = context.random() < 0.5 ? "up" : "down";
        const only = pick(context.random, [/ appends$/, / control$/, / commands$/, /(?:)/]);
        for (const link of links) link.hold([way], only);
        return `${way} ${only.source === "(?:)" ? "" : `of${only.source.slice(0, -1)} `}`;
      }),
    to: "links",
  },
  "link-hold": {
    run: (context) =>
      breakLinks(context, beyondLease(context), ({ links }) => {
        for (const link of links) link.hold();
        return "";
      }),
    to: "links",
  },
  "nats-kill": {
    async run(context) {
      const member = await anyMember(context);
      await member.kill();
      const ms = between(context.random, 0, 2_000);
      await sleep(ms);
      await member.start();
      return `${member.name}, back after ${seconds(ms)}`;
    },
    to: "nats",
  },
  "nats-pause": {
    async run(context) {
      const member = await anyMember(context);
      member.pause();
      const ms = between(context.random, 500, 6_000);
      await sleep(ms);
      member.resume();
      return `${member.name} for ${seconds(ms)}`;
    },
    to: "nats",
  },
  "nats-restart": {
    async run(context) {
      const member = await anyMember(context);
      await member.stop();
      await member.start();
      return member.name;
    },
    to: "nats",
  },
  /** Killed with decisions whose append is on its way, which is then lost: none may have been answered. */
  "node-abort": {
    async run(context) {
      const node = anyNode(context);
      for (const link of node.links) link.hold(["up"], / appends$/);
      await sleep(between(context.random, 50, 400));
      process.kill(-node.child.pid, "SIGKILL");
      await node.child.exited;
      for (const link of node.links) {
        link.cut();
        link.heal();
      }
      await context.world.startNode(node.number);
      return `node-${node.number}`;
    },
    to: "nodes",
  },
  "node-add": {
    async run({ world }) {
      if (world.nodes.size >= MOST_NODES) return "nothing: there are enough";
      const number = Math.max(...world.nodes.keys()) + 1;
      await world.startNode(number);
      return `node-${number}`;
    },
    to: "nodes",
  },
  "node-kill": {
    async run(context) {
      const node = anyNode(context);
      process.kill(-node.child.pid, "SIGKILL");
      await node.child.exited;
      const ms = between(context.random, 0, context.world.leaseMs + 1_000);
      await sleep(ms);
      await context.world.startNode(node.number);
      return `node-${node.number}, back after ${seconds(ms)}`;
    },
    to: "nodes",
  },
  "node-pause": {
    run: (context) => pauseNode(context, beyondLease(context)),
    to: "nodes",
  },
  "node-remove": {
    async run(context) {
      if (context.world.nodes.size <= LEAST_NODES) return "nothing: there are few";
      const node = anyNode(context);
      context.world.nodes.delete(node.number);
      await end(context, node);
      return `node-${node.number}`;
    },
    to: "nodes",
  },
  "node-restart": {
    async run(context) {
      const node = anyNode(context);
      await end(context, node);
      await context.world.startNode(node.number);
      return `node-${node.number}`;
    },
    to: "nodes",
  },
  "node-stutter": {
    run: (context) => pauseNode(context, between(context.random, 200, 2_000)),
    to: "nodes",
  },
  /** Stopped with decisions whose append is on its way, which arrives when another owner is at work. */
  "node-zombie": {
    async run(context) {
      const node = anyNode(context);
      for (const link of node.links) link.hold(["up"], / appends$/);
      await sleep(between(context.random, 50, 400));
      process.kill(-node.child.pid, "SIGSTOP");
      const ms = beyondLease(context);
      await sleep(ms);
      for (const link of node.links) link.heal();
      await sleep(between(context.random, 0, 200));
      process.kill(-node.child.pid, "SIGCONT");
      return `node-${node.number} for ${seconds(ms)}`;
    },
    to: "nodes",
  },
  "postgres-kill": {
    async run({ random, world }) {
      await world.killPostgres();
      const ms = between(random, 0, 4_000);
      await sleep(ms);
      await world.startPostgres();
      return `back after ${seconds(ms)}`;
    },
    to: "postgres",
  },
  rolling: {
    async run(context) {
      const names: string[] = [];
      for (const node of [...context.world.nodes.values()]) {
        await end(context, node);
        await context.world.startNode(node.number);
        // As an upgrade does: the next only when this one is at work.
        await context.world.untilSettled();
        names.push(`node-${node.number}`);
      }
      return names.join(", ");
    },
    to: "nodes",
  },
  "route-hold": {
    async run({ random, world }) {
      const number = between(random, 1, world.nats.members.length);
      const member = world.nats.members[number - 1];
      world.routes.isolate(number, member?.name ?? "");
      const ms = between(random, 3_000, 14_000);
      await sleep(ms);
      world.routes.heal();
      return `${member?.name} for ${seconds(ms)}`;
    },
    servers: 3,
    to: "routes",
  },
} as const satisfies Readonly<Record<string, Fault>>;

export type FaultName = keyof typeof FAULTS;

const LEAST_NODES = 2;
const MOST_NODES = 4;

/** Every fault that can be done to so many servers. */
export function faultsFor(servers: 1 | 3): readonly FaultName[] {
  const names = Object.keys(FAULTS) as FaultName[];
  return names.filter((name) => servers === 3 || !("servers" in FAULTS[name]));
}
