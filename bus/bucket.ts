/**
 * Key-value buckets as the engine uses them: reads through the stream's leader, writes by
 * compare-and-set with a time to live, and a watch that survives servers and networks.
 *
 * The client library's own `update` drops a key's time to live, its `get` may be answered by a replica
 * that lags, and its watch notices a lost consumer only after a minute; hence this.
 */
import {
  AckPolicy,
  DeliverPolicy,
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
} from "@nats-io/jetstream";
import {
  headers,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  nuid,
  type Subscription,
} from "@nats-io/nats-core";

import { newInbox } from "./connect.ts";
import { bucketStream, bucketSubject } from "./subjects.ts";

/** A key as it stands: its value, or its absence, and the revision that a next write must name. */
export interface BucketEntry {
  readonly key: string;
  /** `undefined` when it was deleted or ran out. */
  readonly value: string | undefined;
  /** Sequence of its last message; 0 when there never was one. */
  readonly revision: number;
  /** What the last writer put in {@link WriteOptions.note}; survives a delete. */
  readonly note: string | undefined;
  /** Nobody deleted it: its time to live ended. */
  readonly ranOut: boolean;
}

export interface WriteOptions {
  /** Whole seconds, at least 1. Absent: the key stays. */
  readonly ttlSeconds?: number;
  /** Carried in a header, also by a delete. */
  readonly note?: string;
}

const EXPECT_HEADER = "Nats-Expected-Last-Subject-Sequence";
const TTL_HEADER = "Nats-TTL";
const OPERATION_HEADER = "KV-Operation";
const MARKER_HEADER = "Nats-Marker-Reason";
const NOTE_HEADER = "Tarmac-Note";
const WRONG_LAST_SEQUENCE = new Set([10_071, 10_164]);
const REQUEST_MS = 2_000;
/** While a stream elects its leader a read is not answered at all, and is to be asked again soon. */
const READ_MS = 600;
const NANOS_PER_MS = 1_000_000;

interface Ack {
  readonly seq?: number;
  readonly error?: { readonly err_code?: number; readonly description?: string };
}

/** A write of a bucket was answered by an error that is not a lost race. It may have landed or not. */
export class BucketFault extends Error {
  override readonly name = "BucketFault";
  readonly code = "bucket-fault";
  readonly outcome = "unknown";
}

/** One bucket, over one connection. */
export class Bucket {
  readonly #nc: NatsConnection;
  readonly #name: string;
  #jsm: Promise<JetStreamManager> | undefined;

  constructor(nc: NatsConnection, name: string) {
    this.#nc = nc;
    this.#name = name;
  }

  /** Reads one key through the stream's leader. @throws JetStreamApiError or a timeout. */
  async read(key: string): Promise<BucketEntry> {
    const jsm = await this.#manager();
    const subject = bucketSubject(this.#name, key);
    const message = await jsm.streams.getMessage(bucketStream(this.#name), {
      last_by_subj: subject,
    });
    if (message === null) {
      return { key, value: undefined, revision: 0, note: undefined, ranOut: false };
    }
    return entryOf(key, message.header, () => message.string(), message.seq);
  }

  /**
   * Writes a key if its revision is still the one named; deletes it when `value` is absent.
   * @returns the new revision, or `undefined` when another write came first.
   * @throws BucketFault or a timeout: then only a read tells whether it landed.
   */
  async write(
    key: string,
    value: string | undefined,
    revision: number,
    options: WriteOptions = {},
  ): Promise<number | undefined> {
    const header = headers();
    header.set(EXPECT_HEADER, String(revision));
    if (options.ttlSeconds !== undefined) header.set(TTL_HEADER, `${options.ttlSeconds}s`);
    if (options.note !== undefined) header.set(NOTE_HEADER, options.note);
    if (value === undefined) header.set(OPERATION_HEADER, "DEL");
    const reply = await this.#nc.request(bucketSubject(this.#name, key), value ?? "", {
      timeout: REQUEST_MS,
      headers: header,
    });
    const ack = reply.json<Ack>();
    if (ack.error !== undefined) {
      if (WRONG_LAST_SEQUENCE.has(ack.error.err_code ?? 0)) return undefined;
      throw new BucketFault(`${this.#name}/${key}: ${ack.error.description ?? "write failed"}`);
    }
    return ack.seq;
  }

  /**
   * Follows every key from its present value on, for ever: the watch is set up anew when it goes
   * quiet. @see {@link BucketWatch}
   */
  watch(listener: BucketListener, options: WatchOptions = {}): BucketWatch {
    return new BucketWatch(this.#nc, this.#name, listener, options);
  }

  async #manager(): Promise<JetStreamManager> {
    this.#jsm ??= jetstreamManager(this.#nc, { checkAPI: false, timeout: READ_MS });
    return await this.#jsm;
  }
}

export interface WatchOptions {
  /** Told of keys, revisions and notes only; a value that is there reads as an empty text. */
  readonly headersOnly?: boolean;
}

export interface BucketListener {
  /** A key was set, or deleted, or ran out (`value` is absent). */
  changed(entry: BucketEntry): void;
  /** Every key that stood when the watch was set up has been told; called again after each set-up. */
  complete(keys: ReadonlySet<string>): void;
}

/** The server sends a heartbeat when nothing else is to be said, this often in ms. */
const HEARTBEAT_MS = 1_000;
/** Silence after which a watch is set up anew, in ms. */
const QUIET_MS = 3_000;
const CHECK_MS = 500;

/** One watch of a whole bucket. */
export class BucketWatch {
  readonly #nc: NatsConnection;
  readonly #bucket: string;
  readonly #listener: BucketListener;
  readonly #headersOnly: boolean;
  readonly #timer: NodeJS.Timeout;
  #sub: Subscription | undefined;
  /** Set-ups are numbered: what an older one still does is void. */
  #setup = 0;
  #heardAt = 0;
  #stopped = false;

  constructor(
    nc: NatsConnection,
    bucket: string,
    listener: BucketListener,
    options: WatchOptions = {},
  ) {
    this.#headersOnly = options.headersOnly ?? false;
    this.#nc = nc;
    this.#bucket = bucket;
    this.#listener = listener;
    this.#timer = setInterval(() => this.#check(), CHECK_MS);
    void this.#begin();
    void this.#followConnection();
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
    if (!this.#nc.isClosed()) this.#sub?.unsubscribe();
  }

  #check(): void {
    if (this.#nc.isClosed()) this.stop();
    else if (performance.now() - this.#heardAt > QUIET_MS) void this.#begin();
  }

  /** What changed while the connection was away is read at once, not when the silence is noticed. */
  async #followConnection(): Promise<void> {
    for await (const status of this.#nc.status()) {
      if (this.#stopped) return;
      if (status.type === "reconnect") void this.#begin();
    }
  }

  async #begin(): Promise<void> {
    const setup = ++this.#setup;
    this.#heardAt = performance.now();
    try {
      this.#sub?.unsubscribe();
      const deliver = newInbox(this.#nc);
      const seen = new Set<string>();
      const held: Msg[] = [];
      let pending: number | undefined;
      const take = (message: Msg) => {
        this.#take(message, seen);
        if (pending !== undefined && --pending === 0) this.#listener.complete(seen);
      };
      this.#sub = this.#nc.subscribe(deliver, {
        callback: (error, message) => {
          if (error !== null || setup !== this.#setup || this.#stopped) return;
          this.#heardAt = performance.now();
          if (isHeartbeat(message)) return;
          // Before the server said how many keys stand, messages are only kept.
          if (pending === undefined) held.push(message);
          else take(message);
        },
      });
      const jsm = await jetstreamManager(this.#nc, { checkAPI: false, timeout: REQUEST_MS });
      const info = await jsm.consumers.add(bucketStream(this.#bucket), {
        name: `watch_${nuid.next()}`,
        deliver_subject: deliver,
        deliver_policy: DeliverPolicy.LastPerSubject,
        filter_subject: bucketSubject(this.#bucket, ">"),
        ack_policy: AckPolicy.None,
        headers_only: this.#headersOnly,
        max_deliver: 1,
        mem_storage: true,
        num_replicas: 1,
        idle_heartbeat: HEARTBEAT_MS * NANOS_PER_MS,
        inactive_threshold: 10_000 * NANOS_PER_MS,
      });
      if (setup !== this.#setup || this.#stopped) return;
      // The count in the answer is what was not delivered yet when it was written.
      pending = info.num_pending + info.delivered.consumer_seq;
      if (pending === 0) this.#listener.complete(seen);
      for (const message of held) take(message);
    } catch (error) {
      // The silence that follows sets the watch up again. A bucket that is not there yet is waited for.
      if (!isBusFault(error)) throw error;
    }
  }

  #take(message: Msg, seen: Set<string>): void {
    const key = message.subject.slice(bucketSubject(this.#bucket, "").length);
    const revision = streamSequence(message);
    const entry = entryOf(key, message.headers, () => message.string(), revision);
    if (entry.value === undefined) seen.delete(key);
    else seen.add(key);
    this.#listener.changed(entry);
  }
}

function entryOf(
  key: string,
  header: MsgHdrs | undefined,
  value: () => string,
  revision: number,
): BucketEntry {
  const ranOut = header?.has(MARKER_HEADER) === true;
  const gone = ranOut || header?.has(OPERATION_HEADER) === true;
  const note = header?.get(NOTE_HEADER) || undefined;
  return { key, value: gone ? undefined : value(), revision, note, ranOut };
}

function isHeartbeat(message: Msg): boolean {
  return message.headers?.code === 100;
}

/**
 * `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.…`, with domain and account before the
 * stream in v2.
 */
function streamSequence(message: Msg): number {
  const tokens = message.reply?.split(".") ?? [];
  return Number(tokens[tokens.length > 9 ? 7 : 5] ?? 0);
}

/** Faults of the connection, the server or JetStream, as the client library names them. */
const BUS_FAULTS: ReadonlySet<string> = new Set([
  "ClosedConnectionError",
  "ConnectionError",
  "DrainingConnectionError",
  "JetStreamNotEnabled",
  "NoResponders",
  "RequestError",
  "TimeoutError",
]);

function isBusFault(error: unknown): boolean {
  if (error instanceof JetStreamApiError) return true;
  return error instanceof Error && BUS_FAULTS.has(error.name);
}
