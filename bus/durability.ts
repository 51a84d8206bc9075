import { setTimeout as sleep } from "node:timers/promises";
import type { NatsConnection } from "@nats-io/nats-core";

import { type ConnectOptions, connectBus } from "./connect.ts";
import { JSZ_PING } from "./subjects.ts";

/** The server would answer before the disk does. The engine does not start on it. */
export class NotDurable extends Error {
  override readonly name = "NotDurable";
  readonly code = "not-durable";
  readonly outcome = "none";
  /** One sentence each: what is wrong, why that matters, what to do. */
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      `this JetStream is not durable:\n${problems.map((problem) => `- ${problem}`).join("\n")}\nThe ledger would forget money it promised. --unsafe-dev starts all the same.`,
    );
    this.problems = problems;
  }
}

/** The first release line whose `sync_interval: always` holds on every path (nats-server #8475). */
const SERVER_MIN: readonly [number, number] = [2, 15];
/** How long servers of a cluster are given to answer, in ms. */
const ANSWER_MS = 1_500;
/** A single server has answered; wait this long for others that should not be there, in ms. */
const STALL_MS = 300;
/** Pause between two looks at a cluster that cannot write anything yet, in ms. */
const WAIT_MS = 500;

interface ServerAnswer {
  readonly server?: { readonly name?: string; readonly ver?: string; readonly jetstream?: boolean };
  readonly data?: {
    readonly disabled?: boolean;
    readonly config?: { readonly sync_always?: boolean };
    readonly meta_cluster?: { readonly cluster_size?: number; readonly leader?: string };
  };
}

/** What the servers say of themselves. */
export interface Durability {
  /** What is known against it, one sentence each: what is wrong, why that matters, what to do. */
  readonly problems: readonly string[];
  /** Why nothing can be written yet at all: too few servers of the cluster live. */
  readonly waitsFor: string | undefined;
  /** Servers of the cluster that did not answer, so that nothing is known of them. */
  readonly silent: number;
}

/**
 * Finds out whether an acknowledged block is on the disk: on every server of the cluster that answers,
 * from the servers themselves. Who cannot be asked at all counts as not durable.
 */
export async function readDurability(
  nc: NatsConnection,
  system: ConnectOptions | undefined,
): Promise<Durability> {
  // A connection that is away says nothing of a version; each server's own answer has it too.
  const { version, server_name: name } = nc.info ?? {};
  const isTooOld = version !== undefined && isOld(version);
  const problems = isTooOld ? [tooOld(name ?? "nats-server", version)] : [];
  const unreadable = (problem: string): Durability => ({
    problems: [...problems, problem],
    waitsFor: undefined,
    silent: 0,
  });
  if (system === undefined) {
    return unreadable(
      "whether it syncs every write cannot be read, because TARMAC_NATS_SYSTEM_URL is not set: give the URL of a user of the system account",
    );
  }
  try {
    const found = judge(await askServers(system));
    return { ...found, problems: [...new Set([...problems, ...found.problems])] };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return unreadable(
      `whether it syncs every write cannot be read through the system account (${reason}): check TARMAC_NATS_SYSTEM_URL`,
    );
  }
}

/**
 * Returns once enough servers live to write anything, and all that answer sync every write. One that
 * is away writes nothing, and may be bad: who goes on without it asks again (`knownUnfit`).
 * @throws NotDurable with every reason, unless `unsafeDev`; then each is only warned of.
 */
export async function requireDurable(
  nc: NatsConnection,
  system: ConnectOptions | undefined,
  unsafeDev: boolean,
  warn: (message: string) => void,
): Promise<void> {
  let told: string | undefined;
  for (;;) {
    const { problems, waitsFor, silent } = await readDurability(nc, system);
    if (problems.length > 0) {
      if (!unsafeDev) throw new NotDurable(problems);
      for (const problem of problems) {
        warn(`UNSAFE: this ledger can lose what it acknowledged (--unsafe-dev): ${problem}`);
      }
      return;
    }
    if (waitsFor === undefined) {
      if (silent > 0) {
        warn(
          `${silent} of the cluster's NATS servers did not answer: whether they sync every write is asked until they do`,
        );
      }
      return;
    }
    if (waitsFor !== told) warn(`waiting for NATS: ${waitsFor}`);
    told = waitsFor;
    await sleep(WAIT_MS);
  }
}

/**
 * What servers say against themselves now; nothing where nobody can be asked. For a node that runs:
 * a server that was restarted, or was away before, may have another configuration.
 */
export async function knownUnfit(system: ConnectOptions): Promise<readonly string[]> {
  try {
    return judge(await askServers(system)).problems;
  } catch {
    // Silence proves nothing against servers that were found durable, and without them nothing is written.
    return [];
  }
}

/** What the answers of all servers with JetStream come to. */
export function judge(answers: readonly ServerAnswer[]): Durability {
  const keepers = answers.filter((answer) => answer.server?.jetstream !== false);
  if (keepers.length === 0) {
    const problem = "no server with JetStream answered through the system account";
    return { problems: [problem], waitsFor: undefined, silent: 0 };
  }
  const problems: string[] = [];
  for (const { server, data } of keepers) {
    const name = server?.name ?? "a server";
    if (isOld(server?.ver ?? "unknown")) problems.push(tooOld(name, server?.ver ?? "unknown"));
    if (data?.config?.sync_always !== true) {
      problems.push(
        `${name} answers before its disk does, because its jetstream block lacks \`sync_interval: always\`: set it and restart the server`,
      );
    }
  }
  const size = clusterSize(keepers);
  const silent = Math.max(0, size - keepers.length);
  return { problems, waitsFor: missingQuorum(keepers, size), silent };
}

function missingQuorum(keepers: readonly ServerAnswer[], size: number): string | undefined {
  const quorum = Math.floor(size / 2) + 1;
  if (keepers.length < quorum) {
    return `only ${keepers.length} of ${size} servers of the cluster answered, and nothing can be written before ${quorum} do: start the others`;
  }
  const leaders = keepers.map((answer) => answer.data?.meta_cluster?.leader ?? "");
  if (size > 1 && leaders.every((leader) => leader === "")) {
    return "the servers of the cluster have not elected a leader yet";
  }
  return undefined;
}

/** How many servers the cluster has by their own account, those that are away included. */
function clusterSize(answers: readonly ServerAnswer[]): number {
  return Math.max(1, ...answers.map((answer) => answer.data?.meta_cluster?.cluster_size ?? 1));
}

async function askServers(system: ConnectOptions): Promise<ServerAnswer[]> {
  const nc = await connectBus({ ...system, name: `${system.name} durability` }, ANSWER_MS);
  try {
    const quick = await askOnce(nc, "stall");
    // One of a cluster that is only slow must not pass for one that is away.
    const answers = quick.length < clusterSize(quick) ? await askOnce(nc, "timer") : quick;
    if (answers.length === 0) throw new Error("no answer");
    return answers;
  } finally {
    await nc.close();
  }
}

async function askOnce(nc: NatsConnection, strategy: "stall" | "timer"): Promise<ServerAnswer[]> {
  const answers: ServerAnswer[] = [];
  const replies = await nc.requestMany(JSZ_PING, "{}", {
    strategy,
    maxWait: ANSWER_MS,
    stall: STALL_MS,
  });
  for await (const reply of replies) {
    answers.push(reply.json<ServerAnswer>());
    if (strategy === "timer" && answers.length >= clusterSize(answers)) break;
  }
  return answers;
}

function isOld(version: string): boolean {
  const match = /^(\d+)\.(\d+)\./.exec(version);
  if (match === null) return true;
  const [major, minor] = [Number(match[1]), Number(match[2])];
  return major < SERVER_MIN[0] || (major === SERVER_MIN[0] && minor < SERVER_MIN[1]);
}

function tooOld(name: string, version: string): string {
  return `${name} is nats-server ${version}, and only from ${SERVER_MIN.join(".")} on is an acknowledged write on the disk on every path: upgrade it`;
}
