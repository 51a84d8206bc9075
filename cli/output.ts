/**
 * What the command prints. Data goes to standard output, progress and messages for people to standard
 * error, so that `--json | jq` always works.
 */

/** A failure that is the person's to act on: printed without a stack, exit code 1 (2 for usage). */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly exitCode: 1 | 2;

  constructor(message: string, exitCode: 1 | 2 = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** One line or block of data. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** One JSON object on one line; amounts and sequences are decimal strings. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? `${part}` : part)));
}

/** Progress and messages. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Columns padded to their widest cell; numbers (cells that begin with a digit, $ or -) to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  return rows
    .map((row) =>
      row
        .map((cell, i) => {
          const width = widths[i] ?? 0;
          return /^[$\d-]/.test(cell) ? cell.padStart(width) : cell.padEnd(width);
        })
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Runs a step that may take a while, saying so before and how long it took after. */
export async function step<T>(what: string, run: () => Promise<T>): Promise<T> {
  const began = performance.now();
  const waiting = setInterval(() => {
    note(`    … ${what}, ${Math.round((performance.now() - began) / 1000)} s`);
  }, 5_000);
  try {
    const result = await run();
    note(`  ✓ ${what} (${Math.round(performance.now() - began)} ms)`);
    return result;
  } finally {
    clearInterval(waiting);
  }
}
