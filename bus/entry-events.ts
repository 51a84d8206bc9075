/**
 * Live entries of one workspace, through an ordered consumer of the stream `EVENTS` that is set up anew
 * when it goes quiet. It promises nothing: the stream is in memory, and who reads sees a hole in the
 * sequences and fills it from Postgres.
 *
 * The client library's own ordered consumer resumes behind the stream's last sequence; where a restart
 * of the server began the stream anew, it would wait for that number for ever.
 */
import { AckPolicy, DeliverPolicy, jetstreamManager, ReplayPolicy } from "@nats-io/jetstream";
import { type Msg, type NatsConnection, nuid, type Subscription } from "@nats-io/nats-core";

import { newInbox } from "./connect.ts";
import { EVENTS_STREAM, eventSubject } from "./subjects.ts";

export interface EntryListener {
  /** An entry's line, in no promised order, perhaps twice, perhaps never. */
  entry(line: string): void;
  /** The consumer stands: whatever is published from here on is delivered, while it stays. */
  ready(): void;
  /** The consumer is gone, or cannot be made. Tried again by itself. */
  lost(reason: string): void;
}

/** The server says something at least this often, in ms. */
const HEARTBEAT_MS = 1_000;
/** Silence after which the consumer is set up anew, in ms. */
const QUIET_MS = 2_500;
const CHECK_MS = 500;
const REQUEST_MS = 2_000;
const NANOS_PER_MS = 1_000_000;
/** Headers of the server's own messages: 100 is a heartbeat or, with a reply subject, flow control. */
const STATUS_CODE = 100;

/** One consumer of one workspace's entries, until it is stopped. */
export class EntryEvents {
  readonly #nc: NatsConnection;
  readonly #ws: string;
  readonly #listener: EntryListener;
  readonly #timer: NodeJS.Timeout;
  #sub: Subscription | undefined;
  #consumer: string | undefined;
  /** Set-ups are numbered: what an older one still does is void. */
  #setup = 0;
  #heardAt = 0;
  #stopped = false;

  constructor(nc: NatsConnection, ws: string, listener: EntryListener) {
    this.#nc = nc;
    this.#ws = ws;
    this.#listener = listener;
    this.#timer = setInterval(() => this.#check(), CHECK_MS);
    void this.#begin();
    void this.#followConnection();
  }

  /** Ends it; the server forgets the consumer at once when it can be told, else after a while. */
  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
    if (this.#nc.isClosed()) return;
    this.#sub?.unsubscribe();
    void this.#forget(this.#consumer);
  }

  #check(): void {
    if (this.#nc.isClosed()) return this.stop();
    if (performance.now() - this.#heardAt <= QUIET_MS) return;
    this.#listener.lost("the stream of live entries is silent");
    void this.#begin();
  }

  async #followConnection(): Promise<void> {
    for await (const status of this.#nc.status()) {
      if (this.#stopped) return;
      if (status.type === "disconnect") this.#listener.lost("NATS is not connected");
      if (status.type === "reconnect") void this.#begin();
    }
  }

  async #begin(): Promise<void> {
    const setup = ++this.#setup;
    this.#heardAt = performance.now();
    try {
      this.#sub?.unsubscribe();
      const before = this.#consumer;
      const name = `live_${nuid.next()}`;
      this.#consumer = name;
      const deliver = newInbox(this.#nc);
      this.#sub = this.#nc.subscribe(deliver, {
        callback: (error, message) => {
          if (error !== null || setup !== this.#setup || this.#stopped) return;
          this.#take(message);
        },
      });
      const jsm = await jetstreamManager(this.#nc, { checkAPI: false, timeout: REQUEST_MS });
      await jsm.consumers.add(EVENTS_STREAM, {
        name,
        deliver_subject: deliver,
        deliver_policy: DeliverPolicy.New,
        replay_policy: ReplayPolicy.Instant,
        filter_subject: eventSubject(this.#ws, "*", "*"),
        ack_policy: AckPolicy.None,
        max_deliver: 1,
        mem_storage: true,
        num_replicas: 1,
        flow_control: true,
        idle_heartbeat: HEARTBEAT_MS * NANOS_PER_MS,
        inactive_threshold: 10_000 * NANOS_PER_MS,
      });
      if (setup !== this.#setup || this.#stopped) return;
      this.#heardAt = performance.now();
      this.#listener.ready();
      await this.#forget(before);
    } catch (error) {
      if (setup !== this.#setup || this.#stopped) return;
      // The silence that follows sets it up again: the stream may not be there yet, or NATS is away.
      this.#listener.lost(error instanceof Error ? error.message : String(error));
    }
  }

  #take(message: Msg): void {
    this.#heardAt = performance.now();
    if (message.headers?.code !== STATUS_CODE) return this.#listener.entry(message.string());
    // Flow control is answered, on its own subject or on the one that a heartbeat names while stalled.
    const stalled = message.headers.get("Nats-Consumer-Stalled");
    if (message.reply !== undefined && message.reply !== "") message.respond();
    else if (stalled !== "") this.#nc.publish(stalled);
  }

  async #forget(consumer: string | undefined): Promise<void> {
    if (consumer === undefined || this.#nc.isClosed()) return;
    try {
      const jsm = await jetstreamManager(this.#nc, { checkAPI: false, timeout: REQUEST_MS });
      await jsm.consumers.delete(EVENTS_STREAM, consumer);
    } catch {
      // It is gone already, or goes by itself after its time of inactivity.
    }
  }
}
