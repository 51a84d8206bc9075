import { setTimeout as sleep } from "node:timers/promises";
import type { NatsConnection } from "@nats-io/nats-core";

import { Bucket, type BucketEntry, type BucketWatch } from "./bucket.ts";
import {
  type ConfigItem,
  type ConfigKey,
  configKey,
  decodeConfigItem,
  encodeConfigItem,
  workspaceOf,
} from "./config-items.ts";
import { CONFIG_BUCKET } from "./subjects.ts";

/** What the bucket holds under a key, as the watch last told. */
interface Known {
  readonly revision: number;
  readonly item: ConfigItem | undefined;
  /** The commit behind the value, or behind the delete; 0 when the key was never written. */
  readonly configSeq: bigint;
}

const RETRY_MS = 250;
const RACES_MAX = 10;

/**
 * Keeps the bucket equal to what the journal says of the workspaces this worker owns. Each write names
 * the revision it replaces and gives way to a later commit, so a zombie's cannot bring back what is gone.
 */
export class ConfigWriter {
  readonly #bucket: Bucket;
  readonly #watch: BucketWatch;
  readonly #known = new Map<string, Known>();
  /** The newest configuration of each workspace that is not written yet. */
  readonly #due = new Map<string, readonly ConfigItem[]>();
  readonly #problem: (message: string) => void;
  #complete = false;
  #running = false;
  #stopped = false;

  constructor(nc: NatsConnection, problem: (message: string) => void) {
    this.#bucket = new Bucket(nc, CONFIG_BUCKET);
    this.#problem = problem;
    this.#watch = this.#bucket.watch({
      changed: (entry) => this.#learn(entry),
      complete: (keys) => {
        for (const [key, known] of this.#known) {
          if (known.item !== undefined && !keys.has(key)) this.#known.delete(key);
        }
        this.#complete = true;
        void this.#run();
      },
    });
  }

  /** Has a workspace's configuration written, now or as soon as the bucket can be reached. */
  write(ws: string, items: readonly ConfigItem[]): void {
    this.#due.set(ws, items);
    void this.#run();
  }

  /** True when nothing is left to be written. */
  isIdle(): boolean {
    return this.#due.size === 0 && !this.#running;
  }

  stop(): void {
    this.#stopped = true;
    this.#watch.stop();
  }

  #learn(entry: BucketEntry): void {
    const { key, value, revision, note } = entry;
    const parsed = value === undefined ? undefined : decodeConfigItem(key, value);
    if (parsed?.ok === true) {
      const item = parsed.value;
      this.#known.set(key, { revision, item, configSeq: item.value.config_seq });
    } else {
      const configSeq = /^\d+$/.test(note ?? "") ? BigInt(note as string) : 0n;
      this.#known.set(key, { revision, item: undefined, configSeq });
    }
  }

  async #run(): Promise<void> {
    if (this.#running || !this.#complete) return;
    this.#running = true;
    try {
      while (this.#due.size > 0 && !this.#stopped) {
        for (const [ws, items] of [...this.#due]) {
          if (!(await this.#sync(ws, items))) await sleep(RETRY_MS);
          else if (this.#due.get(ws) === items) this.#due.delete(ws);
        }
      }
    } finally {
      this.#running = false;
    }
  }

  /** @returns false when the bucket could not be reached: all of it is tried again. */
  async #sync(ws: string, items: readonly ConfigItem[]): Promise<boolean> {
    const configSeq = items.at(-1)?.value.config_seq;
    if (configSeq === undefined) return true;
    const wanted = new Map(items.map((item) => [keyOf(item), item]));
    try {
      for (const [key, known] of this.#known) {
        if (known.item === undefined || workspaceOf(known.item) !== ws || wanted.has(key)) continue;
        await this.#put(key, undefined, configSeq, ws);
      }
      // The workspace's own item comes last: who sees its commit finds the rest.
      for (const [key, item] of wanted) await this.#put(key, item, configSeq, ws);
      return true;
    } catch (error) {
      if (this.#stopped) return true;
      this.#problem(
        `the configuration of ${ws} is not in the gateways' bucket yet: ${String(error)}`,
      );
      return false;
    }
  }

  async #put(
    key: string,
    item: ConfigItem | undefined,
    configSeq: bigint,
    ws: string,
  ): Promise<void> {
    for (let race = 0; race < RACES_MAX; race++) {
      const known = this.#known.get(key);
      if (known !== undefined && known.configSeq > configSeq) return;
      if (known?.item !== undefined && workspaceOf(known.item) !== ws) {
        this.#problem(`${key} belongs to workspace ${workspaceOf(known.item)}, not to ${ws}`);
        return;
      }
      if (item === undefined ? known?.item === undefined : isSame(known?.item, item)) return;
      const value = item === undefined ? undefined : encodeConfigItem(item);
      const note = String(configSeq);
      const revision = await this.#bucket.write(key, value, known?.revision ?? 0, { note });
      if (revision !== undefined) {
        this.#known.set(key, { revision, item, configSeq });
        return;
      }
      this.#learn(await this.#bucket.read(key));
    }
    throw new Error(`${key} is being written by another owner`);
  }
}

function keyOf(item: ConfigItem): string {
  const place: ConfigKey = item;
  return configKey(place);
}

/** Equal but for the commit: an item keeps the commit at which it last changed. A workspace's is its last. */
function isSame(known: ConfigItem | undefined, wanted: ConfigItem): boolean {
  if (known === undefined || known.kind !== wanted.kind) return false;
  if (known.kind === "ws") return encodeConfigItem(known) === encodeConfigItem(wanted);
  const value = { ...known.value, config_seq: wanted.value.config_seq };
  return encodeConfigItem({ ...known, value } as ConfigItem) === encodeConfigItem(wanted);
}
