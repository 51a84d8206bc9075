import { hash } from "node:crypto";
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

/**
 * What is known of a key without its value: the note of its last write says it. A worker that held the
 * values would hold the configuration of every workspace there is.
 */
interface Known {
  readonly revision: number;
  /** The commit behind the value, or behind the delete; 0 when the key was never written. */
  readonly configSeq: bigint;
  /** Absent while nothing stands under the key. */
  readonly value: { readonly ws: string; readonly digest: string } | undefined;
  /** The value stands there and its note does not say what it is: it has to be read. */
  readonly unread: boolean;
}

/** `<config seq>` for a delete, `<config seq> <workspace> <digest>` for a value. */
const NOTE = /^(\d+)(?: (\S+) (\S+))?$/;
const NEVER_WRITTEN: Known = { revision: 0, configSeq: 0n, value: undefined, unread: false };

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
  /** The keys of each workspace that have a value. */
  readonly #keys = new Map<string, Set<string>>();
  /** The newest configuration of each workspace that is not written yet. */
  readonly #due = new Map<string, readonly ConfigItem[]>();
  readonly #problem: (message: string) => void;
  #onKnown: (() => void)[] = [];
  #complete = false;
  #running = false;
  #stopped = false;

  constructor(nc: NatsConnection, problem: (message: string) => void) {
    this.#bucket = new Bucket(nc, CONFIG_BUCKET);
    this.#problem = problem;
    const listener = {
      changed: (entry: BucketEntry) => this.#learn(entry),
      complete: (keys: ReadonlySet<string>) => {
        for (const [key, known] of this.#known) {
          const stands = known.value !== undefined || known.unread;
          if (stands && !keys.has(key)) this.#set(key, undefined);
        }
        this.#complete = true;
        for (const known of this.#onKnown.splice(0)) known();
        void this.#run();
      },
    };
    this.#watch = this.#bucket.watch(listener, { headersOnly: true });
  }

  /** Settles when all that stood in the bucket is known. */
  async whenKnown(): Promise<void> {
    if (!this.#complete) await new Promise<void>((resolve) => this.#onKnown.push(resolve));
  }

  /** The commit of a workspace that the bucket has whole, since its own item is written last; or 0. */
  configSeq(ws: string): bigint {
    const known = this.#known.get(configKey({ kind: "ws", ws }));
    return known?.value === undefined ? 0n : known.configSeq;
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
    const [, seq, ws, digest] = NOTE.exec(note ?? "") ?? [];
    const configSeq = BigInt(seq ?? "0");
    if (value === undefined) {
      this.#set(key, { revision, configSeq, value: undefined, unread: false });
    } else if (ws !== undefined && digest !== undefined) {
      this.#set(key, { revision, configSeq, value: { ws, digest }, unread: false });
    } else {
      this.#set(key, { revision, configSeq, value: undefined, unread: true });
    }
  }

  #set(key: string, known: Known | undefined): void {
    const before = this.#known.get(key)?.value?.ws;
    const after = known?.value?.ws;
    if (before !== undefined && before !== after) this.#keys.get(before)?.delete(key);
    if (after !== undefined) {
      const keys = this.#keys.get(after);
      if (keys === undefined) this.#keys.set(after, new Set([key]));
      else keys.add(key);
    }
    if (known === undefined) this.#known.delete(key);
    else this.#known.set(key, known);
  }

  /** Reads the keys whose notes say nothing: an earlier version wrote them. */
  async #readOld(): Promise<void> {
    for (const [key, known] of [...this.#known]) if (known.unread) await this.#read(key);
  }

  /** What stands under a key, from the bucket itself. */
  async #read(key: string): Promise<Known> {
    const entry = await this.#bucket.read(key);
    const { revision, value } = entry;
    const parsed = value === undefined ? undefined : decodeConfigItem(key, value);
    if (parsed?.ok === true) {
      const item = parsed.value;
      const told = { ws: workspaceOf(item), digest: digestOf(item) };
      const configSeq = item.value.config_seq;
      this.#set(key, { revision, configSeq, value: told, unread: false });
    } else {
      const configSeq = BigInt(NOTE.exec(entry.note ?? "")?.[1] ?? "0");
      this.#set(key, { revision, configSeq, value: undefined, unread: false });
    }
    return this.#known.get(key) ?? NEVER_WRITTEN;
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
      await this.#readOld();
      for (const key of [...(this.#keys.get(ws) ?? [])]) {
        if (!wanted.has(key)) await this.#put(key, undefined, configSeq, ws);
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
    const digest = item === undefined ? undefined : digestOf(item);
    for (let race = 0; race < RACES_MAX; race++) {
      const known = this.#known.get(key) ?? NEVER_WRITTEN;
      if (known.configSeq > configSeq) return;
      const { value } = known;
      if (value !== undefined && value.ws !== ws) {
        this.#problem(`${key} belongs to workspace ${value.ws}, not to ${ws}`);
        return;
      }
      if (digest === value?.digest && !known.unread) return;
      const note = digest === undefined ? `${configSeq}` : `${configSeq} ${ws} ${digest}`;
      const text = item === undefined ? undefined : encodeConfigItem(item);
      const revision = await this.#bucket.write(key, text, known.revision, { note });
      if (revision !== undefined) {
        const told = digest === undefined ? undefined : { ws, digest };
        this.#set(key, { revision, configSeq, value: told, unread: false });
        return;
      }
      await this.#read(key);
    }
    throw new Error(`${key} is being written by another owner`);
  }
}

function keyOf(item: ConfigItem): string {
  const place: ConfigKey = item;
  return configKey(place);
}

/**
 * What tells two values apart, but for the commit: an item keeps the commit at which it last changed.
 * A workspace's is its last.
 */
function digestOf(item: ConfigItem): string {
  const plain = item.kind === "ws" ? item : { ...item, value: { ...item.value, config_seq: 1n } };
  const text = encodeConfigItem(plain as ConfigItem);
  return hash("sha256", text, "base64url").slice(0, 22);
}
