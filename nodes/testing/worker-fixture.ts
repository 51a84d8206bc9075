/** Workers in this process, over real NATS and Postgres, with a projector each, as in a node. */
import type { NatsConnection } from "@nats-io/nats-core";

import type { Answer } from "../../actors/commands.ts";
import { foundingCommand } from "../../actors/testing/world.ts";
import { type ClusterMap, readClusterMap } from "../../bus/cluster-map.ts";
import { EngineClient } from "../../bus/engine-client.ts";
import { FIRST_ERA } from "../../bus/subjects.ts";
import type { RunningNats } from "../../cli/provision/nats-server.ts";
import { PostgresUnavailable } from "../../readmodel/connect.ts";
import { startProjector } from "../projector.ts";
import { openRecords } from "../records.ts";
import { ShardWorker, type ShardWorkerOptions } from "../shard-worker.ts";
import { openSnapshots } from "../snapshots.ts";
import { login } from "./bus-fixture.ts";
import { authorize, MemoryLog } from "./shard-fixture.ts";

/** Of nats.conf, which maps commands to them. */
export const SHARDS = 4;

export interface TestWorker {
  readonly worker: ShardWorker;
  readonly log: MemoryLog;
  /** Takes Postgres away from its shards, and gives it back. The projector keeps it. */
  /** `behind`: the projection never becomes durable. */
  readonly postgres: { away: boolean; behind: boolean };
  /** Hands over and closes. */
  readonly stop: () => Promise<void>;
}

export async function startWorker(
  nats: RunningNats,
  postgresUrl: string,
  node: string,
  options: Partial<ShardWorkerOptions> = {},
): Promise<TestWorker> {
  const log = new MemoryLog();
  const postgres = { away: false, behind: false };
  const snapshots = openSnapshots(postgresUrl);
  const records = openRecords(postgresUrl);
  const projector = await startProjector({
    postgresUrl,
    nats: login(nats, "node"),
    era: FIRST_ERA,
    onLog: () => undefined,
  });
  const place = {
    node,
    index: 0,
    shards: SHARDS,
    era: FIRST_ERA,
    weight: 1,
    version: "0.0.0-test",
  };
  const worker = await ShardWorker.start(
    { nats: login(nats, "node"), ...place, settleMs: 0, ...options },
    {
      snapshots: losable(snapshots, postgres),
      records: losable(
        {
          ...records,
          durablePosition: (shard: number, era: number) =>
            postgres.behind ? Promise.resolve(0) : records.durablePosition(shard, era),
        },
        postgres,
      ),
      log,
      ownership: (shard, isOwned) => (isOwned ? projector.own(shard) : projector.release(shard)),
      hurry: () => void projector.flush().catch(() => undefined),
    },
  );
  const stop = async () => {
    await worker.drain();
    await projector.stop();
    await Promise.all([snapshots.close(), records.close()]);
  };
  return { worker, log, postgres, stop };
}

/** A store whose calls fail while its database is away. */
function losable<S extends object>(store: S, postgres: { readonly away: boolean }): S {
  return new Proxy(store, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        if (postgres.away) throw new PostgresUnavailable("read", "none", new Error("a test"));
        return Reflect.apply(value, target, args) as unknown;
      };
    },
  });
}

/** The shards that a worker decides. */
export function owned({ worker }: TestWorker): readonly number[] {
  return worker.stats.filter(({ phase }) => phase === "owning").map(({ shard }) => shard);
}

export function epochs({ worker }: TestWorker): ReadonlyMap<number, bigint> {
  return new Map(worker.stats.flatMap(({ shard, term }) => (term ? [[shard, term.epoch]] : [])));
}

/** Polls until something is so. @throws what `explain` says, after most of a minute. */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  explain: () => string,
): Promise<void> {
  const deadline = performance.now() + 50_000;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`it never came to: ${explain()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export function mapOf(nc: NatsConnection): Promise<ClusterMap> {
  return readClusterMap(nc, 20_000);
}

/** Calls that go on while shards move, and are asked again afterwards. */
export class Callers {
  readonly #client: EngineClient;
  readonly #workspaces: readonly string[];
  readonly #answered: { ws: string; command: ReturnType<typeof authorize>; answer: Answer }[] = [];
  #stopped = false;

  constructor(nc: NatsConnection, workspaces: readonly string[]) {
    this.#client = new EngineClient(nc);
    this.#workspaces = workspaces;
  }

  get count(): number {
    return this.#answered.length;
  }

  async found(): Promise<void> {
    for (const ws of this.#workspaces) {
      const made = await this.#client.request(ws, foundingCommand({ ws }), { deadlineMs: 30_000 });
      if (made.kind !== "configured") throw new Error(`${ws} was not made: ${made.kind}`);
    }
  }

  /** Calls one after the other for every workspace until it is stopped. @throws when one is not admitted. */
  async run(): Promise<void> {
    this.#stopped = false;
    await Promise.all(
      this.#workspaces.map(async (ws) => {
        while (!this.#stopped) await this.#call(ws);
      }),
    );
  }

  /** One call for every workspace. @throws when one is not admitted. */
  async once(): Promise<void> {
    await Promise.all(this.#workspaces.map((ws) => this.#call(ws)));
  }

  stop(): void {
    this.#stopped = true;
  }

  /**
   * Every command again. @returns those that were not answered as the first time, but for what became of
   * the hold: it lives 30 s, and a machine may be out of breath for that long.
   */
  async askAgain(): Promise<readonly string[]> {
    const changed: string[] = [];
    for (const { ws, command, answer } of this.#answered) {
      const again = await this.#client.request(ws, command, { deadlineMs: 30_000 });
      if (decisionOf(again) !== decisionOf(answer)) {
        changed.push(`${ws} ${command.authorization}`);
      }
    }
    return changed;
  }

  async #call(ws: string): Promise<void> {
    const command = authorize();
    const answer = await this.#client.request(ws, command, { deadlineMs: 30_000 });
    if (answer.kind !== "decided" || answer.state !== "open") {
      throw new Error(`${ws} was answered ${answer.kind}`);
    }
    this.#answered.push({ ws, command, answer });
  }
}

function decisionOf(answer: Answer): string {
  return JSON.stringify({ ...answer, state: "" }, (_key, value: unknown) =>
    typeof value === "bigint" ? value.toString() : value,
  );
}
