import { hash } from "node:crypto";

import { type Answer, answerSchema, type Command, commandSchema } from "../actors/commands.ts";
import { type Parsed, parseJson } from "../ledger/schema.ts";

/** Reads UTF-8 bytes as text without copying them first. */
export function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
}

/** The one spelling of a command: the same command is the same bytes, so a retry repeats its hash. */
export function encodeCommand(command: Command): Uint8Array {
  return Buffer.from(commandSchema.write(command), "utf8");
}

/** Reads a command; on a mistake, all of them. */
export function decodeCommand(bytes: Uint8Array): Parsed<Command> {
  return parseJson(commandSchema, utf8(bytes));
}

/** SHA-256 of a command's bytes, hex: what makes a repeat the same request. */
export function payloadHash(bytes: Uint8Array): string {
  return hash("sha256", bytes);
}

/** The bytes of an answer. */
export function encodeAnswer(answer: Answer): Uint8Array {
  return Buffer.from(answerSchema.write(answer), "utf8");
}

/** Reads an answer; on a mistake, all of them. */
export function decodeAnswer(bytes: Uint8Array): Parsed<Answer> {
  return parseJson(answerSchema, utf8(bytes));
}
