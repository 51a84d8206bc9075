/** Postgres, the journal and what was signed disagree about one workspace's log. It is not signed on. */
export class LogFault extends Error {
  override readonly name = "LogFault";
  readonly code = "log-fault";
  readonly outcome = "none";
  readonly ws: string;
  /** The first entry that cannot be believed. */
  readonly seq: bigint;

  constructor(ws: string, seq: bigint, message: string) {
    super(message);
    this.ws = ws;
    this.seq = seq;
  }
}
