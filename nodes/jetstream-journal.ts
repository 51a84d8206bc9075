import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type ConsumerMessages,
  DeliverPolicy,
  type JetStreamManager,
  type JsMsg,
  jetstream,
  jetstreamManager,
} from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";

import { utf8 } from "../bus/codec.ts";
import { blockSubject, fenceSubject, journalStream } from "../bus/subjects.ts";
import { decimal, integer, object, parseJson, text } from "../ledger/schema.ts";
import { AckInbox } from "./ack-inbox.ts";
import {
  type AppendOutcome,
  type Claim,
  ClaimLost,
  type Journal,
  JournalBroken,
  type JournalMessage,
  ReplayStalled,
  type Resolution,
  type StreamSeq,
} from "./journal.ts";

const LAST_SEQUENCE = "Nats-Expected-Last-Sequence";
const LAST_SUBJECT_SEQUENCE = "Nats-Expected-Last-Subject-Sequence";
const LAST_SUBJECT_SEQUENCE_SUBJECT = "Nats-Expected-Last-Subject-Sequence-Subject";
const MESSAGE_ID = "Nats-Msg-Id";
const WRONG_LAST_SEQUENCE = 10_071;

const APPEND_MS = 2_000;
/** While a stream elects its leader a read is not answered at all, and is to be asked again soon. */
const READ_MS = 600;
/** Claims are tried for so long, in ms; elections of a NATS cluster take 4 to 9 s. */
const CLAIM_MS = 20_000;
const CLAIM_PAUSE_MS = 100;
/** Replay asks for so many bytes at a time: the client drops a connection at 64 MiB pending. */
const REPLAY_BYTES = 8 * 1024 ** 2;
/** A replay that brings nothing for so long is set up anew, in ms. */
const REPLAY_QUIET_MS = 2_000;
/** Set-ups without any progress after which a replay gives up. */
const REPLAY_SETUPS_MAX = 10;

const claimPayload = object({
  epoch: decimal(1n),
  era: integer(1, 1_000_000),
  /** Tells our claim from another of the same epoch when its acknowledgement was lost. */
  nonce: text(64),
  owner: text(128),
  shard: integer(0, 1_023),
});

export interface JetstreamJournalOptions {
  readonly shard: number;
  readonly era: number;
  /** Only appends and claims travel on it, so that nothing delays them. */
  readonly appends: NatsConnection;
  /** Bulk reads travel on it. */
  readonly replay: NatsConnection;
  /**
   * An append that is not acknowledged in this time is looked for in the stream, in ms; 2,000
   * unless given.
   */
  readonly appendMs?: number;
}

interface Ack {
  readonly stream?: string;
  readonly seq?: number;
  readonly error?: { readonly err_code?: number; readonly description?: string };
}

/** A journal in a JetStream stream; see `journal.ts` for the protocol. */
export class JetstreamJournal implements Journal {
  readonly #options: JetstreamJournalOptions;
  readonly #stream: string;
  readonly #blocks: string;
  readonly #fence: string;
  readonly #acks: AckInbox;

  constructor(options: JetstreamJournalOptions) {
    this.#options = options;
    this.#acks = new AckInbox(options.appends);
    this.#stream = journalStream(options.shard, options.era);
    this.#blocks = blockSubject(options.shard, options.era);
    this.#fence = fenceSubject(options.shard, options.era);
  }

  /**
   * Claims the shard for a new term.
   * @throws ClaimLost when another claim came first; the lease decides who tries again.
   * @throws JournalBroken when the fence holds what is no claim. Any other fault: it may have landed,
   * which harms nobody, since a claim without appends is only a number.
   */
  async claim(owner: string): Promise<Claim> {
    const { shard, era } = this.#options;
    const nonce = randomBytes(16).toString("hex");
    const deadline = performance.now() + CLAIM_MS;
    const last = await this.#retried(deadline, () => this.#lastFence());
    const epoch = last.epoch + 1n;
    const payload = claimPayload.write({ epoch, era, nonce, owner, shard });
    return await this.#retried(deadline, async () => {
      const ack = await this.#publish(this.#fence, payload, nonce, {
        [LAST_SUBJECT_SEQUENCE]: String(last.seq),
      });
      // Also after a clean acknowledgement: the stamp on the message is the term's clock.
      const now = await this.#lastFence();
      if (now.nonce === nonce) return { epoch, seq: now.seq, at: now.at, owner };
      if (now.seq > last.seq) {
        throw new ClaimLost(`shard ${shard} was claimed as epoch ${now.epoch} by ${now.owner}`);
      }
      throw new Error(`the claim did not land: ${ack.error?.description ?? "no error was given"}`);
    });
  }

  /** Tries until it works or the deadline passes. What cannot change is thrown at once. */
  async #retried<T>(deadline: number, attempt: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        const final = error instanceof ClaimLost || error instanceof JournalBroken;
        if (final || performance.now() > deadline) throw error;
        await sleep(CLAIM_PAUSE_MS);
      }
    }
  }

  async #lastFence(): Promise<{
    epoch: bigint;
    seq: StreamSeq;
    at: number;
    nonce: string;
    owner: string;
  }> {
    const jsm = await this.#manager(this.#options.appends);
    const message = await jsm.streams.getMessage(this.#stream, { last_by_subj: this.#fence });
    if (message === null) return { epoch: 0n, seq: 0, at: 0, nonce: "", owner: "" };
    const { epoch, nonce, owner } = this.#readClaim(message.data, message.seq);
    return { epoch, nonce, owner, seq: message.seq, at: message.time.getTime() };
  }

  #readClaim(data: Uint8Array, seq: StreamSeq) {
    const parsed = parseJson(claimPayload, utf8(data));
    const { shard, era } = this.#options;
    if (parsed.ok && parsed.value.shard === shard && parsed.value.era === era) return parsed.value;
    throw new JournalBroken(`message ${seq} of ${this.#stream} is no claim of this journal`);
  }

  async append(block: Uint8Array, tail: StreamSeq, claim: Claim): Promise<AppendOutcome> {
    let ack: Ack;
    try {
      ack = await this.#publish(this.#blocks, block, `${claim.epoch}.${tail + 1}`, {
        [LAST_SEQUENCE]: String(tail),
        [LAST_SUBJECT_SEQUENCE]: String(claim.seq),
        [LAST_SUBJECT_SEQUENCE_SUBJECT]: this.#fence,
      });
    } catch (cause) {
      return { kind: "unknown", cause };
    }
    const { error, seq, stream } = ack;
    if (error === undefined && stream === this.#stream && seq === tail + 1) {
      return { kind: "appended", seq };
    }
    if (error?.err_code === WRONG_LAST_SEQUENCE) {
      const named = /wrong last sequence: (\d+)/.exec(error.description ?? "")?.[1];
      if (named !== undefined && Number(named) < tail) {
        return { kind: "conflict", seq: Number(named) };
      }
    }
    if (error === undefined && stream === this.#stream && seq !== undefined) {
      return { kind: "conflict", seq };
    }
    return {
      kind: "unknown",
      cause: error?.description ?? `the answer was ${JSON.stringify(ack)}`,
    };
  }

  /** @throws a timeout or an error of the server: then nothing is known yet, and it is asked again. */
  async resolve(block: Uint8Array, tail: StreamSeq): Promise<Resolution> {
    const jsm = await this.#manager(this.#options.appends);
    const message = await jsm.streams.getMessage(this.#stream, { seq: tail + 1 });
    if (message === null) return "absent";
    const ours = message.subject === this.#blocks && Buffer.compare(message.data, block) === 0;
    return ours ? "ours" : "foreign";
  }

  /** @throws a timeout or an error of the server. */
  async end(): Promise<StreamSeq> {
    const jsm = await this.#manager(this.#options.replay);
    return (await jsm.streams.info(this.#stream)).state.last_seq;
  }

  /**
   * Reads `from + 1` to `until`.
   * @throws ReplayStalled when the stream does not give them up; whatever `each` throws.
   */
  async replay(
    from: StreamSeq,
    until: StreamSeq,
    each: (message: JournalMessage) => void,
  ): Promise<void> {
    let last = from;
    let idle = 0;
    while (last < until) {
      const reached = await this.#replaySome(last, until, each);
      // A consumer may go quiet for good after a dropped connection; another is made where it stopped.
      idle = reached === last ? idle + 1 : 0;
      last = reached;
      if (idle >= REPLAY_SETUPS_MAX) {
        throw new ReplayStalled(
          `${this.#stream} gave nothing after message ${last}, and message ${until} is known to exist`,
        );
      }
    }
  }

  /** One consumer's worth. @returns the last sequence it delivered. */
  async #replaySome(
    from: StreamSeq,
    until: StreamSeq,
    each: (message: JournalMessage) => void,
  ): Promise<StreamSeq> {
    const consumers = jetstream(this.#options.replay).consumers;
    let last = from;
    let consumption: ConsumerMessages | undefined;
    const done = Promise.withResolvers<void>();
    // A rejection may come before it is awaited, a moment later.
    done.promise.catch(() => undefined);
    let heardAt = performance.now();
    const watchdog = setInterval(() => {
      if (performance.now() - heardAt > REPLAY_QUIET_MS) done.resolve();
    }, REPLAY_QUIET_MS / 4);
    const take = (message: JsMsg) => {
      if (last >= until) return;
      heardAt = performance.now();
      try {
        if (message.seq !== last + 1) {
          // A consumer that skips is made anew; a stream that skips would skip again and stall.
          done.resolve();
          return;
        }
        each(this.#journalMessage(message));
        last = message.seq;
        if (last >= until) done.resolve();
      } catch (error) {
        last = until;
        done.reject(error as Error);
      }
    };
    try {
      const consumer = await consumers.get(this.#stream, {
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: from + 1,
      });
      consumption = await consumer.consume({ max_bytes: REPLAY_BYTES, callback: take });
      await done.promise;
      return last;
    } catch (error) {
      // Set up in a moment when the server is away: quiet, like a consumer that was lost.
      if (isServerFault(error)) {
        await sleep(REPLAY_QUIET_MS / 4);
        return last;
      }
      throw error;
    } finally {
      clearInterval(watchdog);
      consumption?.stop();
    }
  }

  #journalMessage(message: JsMsg): JournalMessage {
    const { seq, subject } = message;
    if (subject === this.#blocks) return { kind: "block", seq, bytes: message.data };
    if (subject !== this.#fence) {
      throw new JournalBroken(`message ${seq} of ${this.#stream} stands on ${subject}`);
    }
    const { epoch } = this.#readClaim(message.data, seq);
    return { kind: "claim", seq, epoch, at: message.time.getTime() };
  }

  async #publish(
    subject: string,
    payload: Uint8Array | string,
    id: string,
    expectations: Readonly<Record<string, string>>,
  ): Promise<Ack> {
    const fields = { [MESSAGE_ID]: id, ...expectations };
    const reply = await this.#acks.publish(
      subject,
      payload,
      fields,
      this.#options.appendMs ?? APPEND_MS,
    );
    return JSON.parse(utf8(reply)) as Ack;
  }

  #manager(nc: NatsConnection): Promise<JetStreamManager> {
    return jetstreamManager(nc, { checkAPI: false, timeout: READ_MS });
  }
}

function isServerFault(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return /JetStream|Timeout|Request|NoResponders|StreamNotFound|Connection/.test(error.name);
}
