import type { NatsConnection } from "@nats-io/nats-core";

import { Bucket, type BucketEntry, type BucketWatch } from "./bucket.ts";
import {
  type AgentItem,
  type ConfigItem,
  type ConfigKey,
  decodeConfigItem,
  type KeyItem,
  type ProviderItem,
  parseConfigKey,
  type WorkspaceItem,
} from "./config-items.ts";
import { CONFIG_BUCKET } from "./subjects.ts";

interface Waiter {
  readonly seq: bigint;
  readonly done: (reached: boolean) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * A gateway's view of every workspace's configuration, in memory, kept up to date by a watch. It may be
 * behind; what it says is never a permission, only what is needed to ask.
 */
export class ConfigCache {
  readonly #watch: BucketWatch;
  readonly #workspaces = new Map<string, WorkspaceItem>();
  readonly #agents = new Map<string, Map<string, AgentItem>>();
  readonly #providers = new Map<string, Map<string, ProviderItem>>();
  readonly #keys = new Map<string, KeyItem>();
  /** Every key of the bucket that stands in one of the maps. */
  readonly #standing = new Set<string>();
  readonly #waiters = new Map<string, Waiter[]>();
  readonly #problem: (message: string) => void;
  #ready = false;
  #onReady: (() => void)[] = [];

  constructor(nc: NatsConnection, problem: (message: string) => void = () => undefined) {
    this.#problem = problem;
    this.#watch = new Bucket(nc, CONFIG_BUCKET).watch({
      changed: (entry) => this.#change(entry),
      complete: (keys) => this.#settle(keys),
    });
  }

  /** True once everything that stood in the bucket has been read. */
  isReady(): boolean {
    return this.#ready;
  }

  /** Settles when {@link isReady}. */
  whenReady(): Promise<void> {
    if (this.#ready) return Promise.resolve();
    return new Promise((resolve) => this.#onReady.push(resolve));
  }

  workspace(ws: string): WorkspaceItem | undefined {
    return this.#workspaces.get(ws);
  }

  workspaces(): ReadonlyMap<string, WorkspaceItem> {
    return this.#workspaces;
  }

  agent(ws: string, agent: string): AgentItem | undefined {
    return this.#agents.get(ws)?.get(agent);
  }

  /** The agents of a workspace by name. */
  agents(ws: string): ReadonlyMap<string, AgentItem> {
    return this.#agents.get(ws) ?? new Map<string, AgentItem>();
  }

  provider(ws: string, id: string): ProviderItem | undefined {
    return this.#providers.get(ws)?.get(id);
  }

  /** A key by the SHA-256 of its whole text, hex. */
  key(hash: string): KeyItem | undefined {
    return this.#keys.get(hash);
  }

  /** The last commit of a workspace that this cache has all of; 0 for an unknown one. */
  configSeq(ws: string): bigint {
    return this.#workspaces.get(ws)?.config_seq ?? 0n;
  }

  /** Waits until the cache has caught up with a commit. @returns false when it did not in time. */
  whenAtLeast(ws: string, seq: bigint, timeoutMs: number): Promise<boolean> {
    if (this.configSeq(ws) >= seq) return Promise.resolve(true);
    return new Promise((resolve) => {
      const waiters = this.#waiters.get(ws) ?? [];
      this.#waiters.set(ws, waiters);
      const waiter: Waiter = {
        seq,
        done: resolve,
        timer: setTimeout(() => {
          waiters.splice(waiters.indexOf(waiter), 1);
          resolve(false);
        }, timeoutMs),
      };
      waiters.push(waiter);
    });
  }

  /** Every key of a workspace with the hash it is found by, by id. */
  keys(ws: string): readonly (KeyItem & { readonly hash: string })[] {
    const keys = [...this.#keys].map(([hash, item]) => ({ ...item, hash }));
    return keys.filter((item) => item.ws === ws).sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  stop(): void {
    this.#watch.stop();
    for (const waiters of this.#waiters.values()) {
      for (const waiter of waiters.splice(0)) {
        clearTimeout(waiter.timer);
        waiter.done(false);
      }
    }
  }

  #change(entry: BucketEntry): void {
    if (entry.value === undefined) {
      this.#remove(entry.key);
      return;
    }
    const parsed = decodeConfigItem(entry.key, entry.value);
    if (!parsed.ok) {
      this.#problem(`${entry.key} in ${CONFIG_BUCKET} is left out: ${parsed.problems.join("; ")}`);
      return;
    }
    this.#standing.add(entry.key);
    this.#put(parsed.value);
  }

  #put(item: ConfigItem): void {
    switch (item.kind) {
      case "ws":
        this.#workspaces.set(item.ws, item.value);
        this.#wake(item.ws, item.value.config_seq);
        break;
      case "agent":
        inner(this.#agents, item.ws).set(item.id, item.value);
        break;
      case "provider":
        inner(this.#providers, item.ws).set(item.id, item.value);
        break;
      case "key":
        this.#keys.set(item.hash, item.value);
        break;
    }
  }

  #remove(key: string): void {
    this.#standing.delete(key);
    const place: ConfigKey | undefined = parseConfigKey(key);
    if (place === undefined) return;
    if (place.kind === "ws") this.#workspaces.delete(place.ws);
    else if (place.kind === "key") this.#keys.delete(place.hash);
    else if (place.kind === "agent") this.#agents.get(place.ws)?.delete(place.id);
    else this.#providers.get(place.ws)?.delete(place.id);
  }

  /** What was deleted while the watch was away is not told, only no longer there. */
  #settle(keys: ReadonlySet<string>): void {
    for (const key of [...this.#standing]) if (!keys.has(key)) this.#remove(key);
    this.#ready = true;
    for (const resolve of this.#onReady.splice(0)) resolve();
  }

  #wake(ws: string, seq: bigint): void {
    const waiters = this.#waiters.get(ws);
    if (waiters === undefined) return;
    const left = waiters.filter((waiter) => {
      if (waiter.seq > seq) return true;
      clearTimeout(waiter.timer);
      waiter.done(true);
      return false;
    });
    if (left.length === 0) this.#waiters.delete(ws);
    else waiters.splice(0, waiters.length, ...left);
  }
}

function inner<T>(maps: Map<string, Map<string, T>>, ws: string): Map<string, T> {
  const map = maps.get(ws) ?? new Map<string, T>();
  maps.set(ws, map);
  return map;
}
