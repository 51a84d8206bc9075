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

interface ServerAnswer {
  readonly server?: { readonly name?: string; readonly ver?: string; readonly jetstream?: boolean };
  readonly data?: {
    readonly disabled?: boolean;
    readonly config?: { readonly sync_always?: boolean };
    readonly meta_cluster?: { readonly cluster_size?: number };
  };
}

/**
 * Finds out whether an acknowledged block is on the disk: on every server of the cluster, from the
 * servers themselves. What cannot be read counts as not durable.
 * @returns one sentence for each reason why it is not; empty when it is.
 */
export async function durabilityProblems(
  nc: NatsConnection,
  system: ConnectOptions | undefined,
): Promise<string[]> {
  const version = nc.info?.version ?? "unknown";
  const problems = isOld(version) ? [tooOld(nc.info?.server_name ?? "nats-server", version)] : [];
  if (system === undefined) {
    problems.push(
      "whether it syncs every write cannot be read, because TARMAC_NATS_SYSTEM_URL is not set: give the URL of a user of the system account",
    );
    return problems;
  }
  let answers: ServerAnswer[];
  try {
    answers = await askServers(system);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    problems.push(
      `whether it syncs every write cannot be read through the system account (${reason}): check TARMAC_NATS_SYSTEM_URL`,
    );
    return problems;
  }
  return [...problems, ...answerProblems(answers)];
}

/** @throws NotDurable with every reason, unless `unsafeDev`; then each is only warned of. */
export async function requireDurable(
  nc: NatsConnection,
  system: ConnectOptions | undefined,
  unsafeDev: boolean,
  warn: (message: string) => void,
): Promise<void> {
  const problems = await durabilityProblems(nc, system);
  if (problems.length === 0) return;
  if (!unsafeDev) throw new NotDurable(problems);
  for (const problem of problems) {
    warn(`UNSAFE: this ledger can lose what it acknowledged (--unsafe-dev): ${problem}`);
  }
}

/** What the answers of all servers with JetStream say against them. */
export function answerProblems(answers: readonly ServerAnswer[]): string[] {
  const keepers = answers.filter((answer) => answer.server?.jetstream !== false);
  if (keepers.length === 0) return ["no server with JetStream answered through the system account"];
  const problems: string[] = [];
  let expected = 1;
  for (const { server, data } of keepers) {
    const name = server?.name ?? "a server";
    expected = Math.max(expected, data?.meta_cluster?.cluster_size ?? 1);
    if (isOld(server?.ver ?? "unknown")) problems.push(tooOld(name, server?.ver ?? "unknown"));
    if (data?.config?.sync_always !== true) {
      problems.push(
        `${name} answers before its disk does, because its jetstream block lacks \`sync_interval: always\`: set it and restart the server`,
      );
    }
  }
  if (keepers.length < expected) {
    problems.push(
      `only ${keepers.length} of ${expected} servers of the cluster answered, so the others are not known to sync: start them first`,
    );
  }
  return problems;
}

async function askServers(system: ConnectOptions): Promise<ServerAnswer[]> {
  const nc = await connectBus({ ...system, name: `${system.name} durability` }, ANSWER_MS);
  try {
    const answers: ServerAnswer[] = [];
    const replies = await nc.requestMany(JSZ_PING, "{}", {
      strategy: "stall",
      maxWait: ANSWER_MS,
      stall: STALL_MS,
    });
    for await (const reply of replies) answers.push(reply.json<ServerAnswer>());
    if (answers.length === 0) throw new Error("no answer");
    return answers;
  } finally {
    await nc.close();
  }
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
