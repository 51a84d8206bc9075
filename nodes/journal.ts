/**
 * The journal of one shard: the truth. Everything else (Postgres, buckets, memory) is made from it.
 *
 * One stream per shard, one message per flush. Who may write is decided in the log itself:
 *
 *   claim    publishes `epoch + 1` on the fence subject, if the fence is still the one that was read
 *   append   names the tail it stands behind and the fence it writes under; both are checked by the
 *            server that orders the stream, so a paused or cut-off owner never adds a line, however
 *            late it wakes
 *
 * An append has three outcomes, never two:
 *
 *   appended   the acknowledgement says `tail + 1`
 *   unknown    a timeout, a 503, and every error the server returns: on a single server one's own
 *              block that landed answers "wrong last sequence" when it is sent again. `tail + 1` is
 *              read through the stream's leader: ours is appended; absent is the identical bytes with
 *              the same expectation again
 *   conflict   a foreign message stands at `tail + 1`, or the server's own last sequence lies below
 *              `tail`. This term is over: drop all memory, claim anew, never go on from another tail
 *
 * One append is in flight at a time. A pipelined chain is no fence: once a foreign message has taken a
 * place, each message behind it expects exactly the sequence that the one before was given.
 */
export type {
  AppendOutcome,
  Claim,
  Journal,
  JournalMessage,
  Resolution,
  StreamSeq,
} from "./ports.ts";

/** Another owner's claim came between. Nothing of ours was written. */
export class ClaimLost extends Error {
  override readonly name = "ClaimLost";
  readonly code = "claim-lost";
  readonly outcome = "none";
}

/** The journal could not be read to the end in time. Nothing was written by the attempt. */
export class ReplayStalled extends Error {
  override readonly name = "ReplayStalled";
  readonly code = "replay-stalled";
  readonly outcome = "none";
}

/** The journal is not what it was: it lost messages that were acknowledged, or holds what no owner wrote. */
export class JournalBroken extends Error {
  override readonly name = "JournalBroken";
  readonly code = "journal-broken";
  readonly outcome = "none";
}
