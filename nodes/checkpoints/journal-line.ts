import { hash } from "node:crypto";
import { jetstreamManager } from "@nats-io/jetstream";

import type { NatsConnection } from "../../bus/connect.ts";
import { journalStream } from "../../bus/subjects.ts";
import { decodeBlock } from "../block.ts";
import type { JournalPlace } from "./checkpoint-store.ts";

const API_MS = 5_000;

/** What the journal says of a line: it has it, it has something else there, or nothing. */
export type JournalAnswer = "there" | "another" | "missing";

/**
 * Asks the journal itself for a line. Whoever has one entry of a chain from there has all before it.
 * @param lineHash SHA-256 of the line, hex.
 * @throws what the client says when the server or the stream is away.
 */
export async function askJournal(
  nc: NatsConnection,
  place: JournalPlace,
  lineHash: string,
): Promise<JournalAnswer> {
  const jsm = await jetstreamManager(nc, { checkAPI: false, timeout: API_MS });
  const stream = journalStream(place.shard, place.era);
  const message = await jsm.streams.getMessage(stream, { seq: place.streamSeq });
  if (message === null) return "missing";
  if (!message.subject.endsWith(".block")) return "another";
  const { lines } = decodeBlock(message.data);
  return lines.some((line) => hash("sha256", line) === lineHash) ? "there" : "another";
}
