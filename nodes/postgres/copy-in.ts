/**
 * `COPY … FROM STDIN (FORMAT binary)`. The driver tells a query when the server is ready for the data,
 * and has no query that sends any, so this is one.
 * Format: https://www.postgresql.org/docs/18/sql-copy.html (read 2026-11-22).
 */
import type pg from "pg";

import { BinaryValues } from "./binary.ts";

/** "PGCOPY\n\377\r\n\0", no flags, no header extension. */
const SIGNATURE = Buffer.from("5047434f50590aff0d0a000000000000000000", "hex");
/** A field count of −1 ends the data. */
const END = -1;
/** A CopyData message: `d`, then its length in bytes, the length itself included. */
const COPY_DATA = Buffer.from("6400000000", "hex");
const LENGTH_AT = 1;
/** A whole batch of the usual size fits without growing. Bytes. */
const ROOM_BYTES = 1024 * 1024;

/** The rows of one COPY. The buffer is kept for the next one: begin, write, copy in, begin, …. */
export class CopyRows extends BinaryValues {
  constructor() {
    super(ROOM_BYTES);
  }

  begin(): void {
    this.clear();
    this.raw(COPY_DATA);
    this.raw(SIGNATURE);
  }

  /** Starts a row of so many columns, whose values follow in the order of the statement. */
  row(columns: number): void {
    this.int16(columns);
  }

  optionalText(value: string | undefined): void {
    if (value === undefined) this.null();
    else this.text(value);
  }

  /** Ends the data: one message for all rows. */
  finish(): void {
    this.int16(END);
    this.setInt32(this.length - LENGTH_AT, LENGTH_AT);
  }
}

/** What the driver's connection offers for COPY; its public types leave these out. */
interface CopyConnection {
  query(text: string): void;
  readonly stream: { write(bytes: Buffer): void };
  endCopyFrom(): void;
}

/** One COPY as the driver's client drives a query: it is submitted, then told what the server says. */
class CopyIn {
  readonly #statement: string;
  readonly #rows: CopyRows;
  /** The driver wraps it where a query timeout is configured. */
  callback: (fault: Error | undefined) => void;

  constructor(statement: string, rows: CopyRows, done: (fault: Error | undefined) => void) {
    this.#statement = statement;
    this.#rows = rows;
    this.callback = done;
  }

  submit(connection: CopyConnection): void {
    connection.query(this.#statement);
  }

  /** The driver's own sending copies the data once more, so it is written past it, framed already. */
  handleCopyInResponse(connection: CopyConnection): void {
    connection.stream.write(this.#rows.bytes);
    connection.endCopyFrom();
  }

  handleCommandComplete(): void {
    // The row count says nothing new: a row that does not go in fails the whole statement.
  }

  handleError(fault: Error): void {
    this.callback(fault);
  }

  handleReadyForQuery(): void {
    this.callback(undefined);
  }
}

/** Copies rows in: all go in, or none and the transaction is broken. @throws what the server says. */
export function copyIn(client: pg.Client, statement: string, rows: CopyRows): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (fault: Error | undefined) => {
      if (fault === undefined) resolve();
      else reject(fault);
    };
    client.query(new CopyIn(statement, rows, done) as unknown as pg.Submittable);
  });
}
