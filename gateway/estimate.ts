import type { UsageBound } from "../ledger/usage.ts";

/**
 * Bounds of what a model is shown, in tokens. A byte-level token is at least one byte, so UTF-8 bytes
 * bound the tokens of any text for every tokenizer; characters over four and bytes over two do not
 * (base64 has 1.47 bytes a token, rare scripts 1.00). Measured with o200k, November 2026.
 */

/** Objects and lists inside each other that a body may have. */
export const DEPTH_MAX = 200;

/** Bytes of a text in UTF-8: at least its tokens. */
export function textBytes(text: string): number {
  return Buffer.byteLength(text);
}

/**
 * Bytes of a value written as JSON, escapes not counted: what a model is shown of it, whatever the
 * provider makes of the punctuation. Iterates: a body may be deep.
 */
export function jsonBytes(value: unknown): number {
  let total = 0;
  const queue: unknown[] = [value];
  for (let next = queue.pop(); next !== undefined || queue.length > 0; next = queue.pop()) {
    if (typeof next === "string") total += textBytes(next) + 2;
    else if (Array.isArray(next)) {
      total += next.length + 2;
      for (const item of next) queue.push(item ?? null);
    } else if (typeof next === "object" && next !== null) {
      total += 2;
      for (const [key, item] of Object.entries(next)) {
        // Quotes, colon and comma.
        total += textBytes(key) + 4;
        queue.push(item ?? null);
      }
    } else total += String(next).length;
  }
  return total;
}

/** Adds up what a request shows and may cause; each surface walks its own body into one. */
export class BoundTally {
  /** Tokens at most, without what hides behind ids. */
  tokens = 0;
  hidden = false;
  #image = false;
  #pdf = false;
  readonly #cacheWrites = new Set<"1h" | "5m">();
  /** Server-tool rounds at most. */
  rounds = 0;
  searches = 0;

  add(tokens: number): void {
    this.tokens += tokens;
  }

  image(tokens: number): void {
    this.#image = true;
    this.tokens += tokens;
  }

  /** Pages cannot be counted cheaply, so a PDF is bounded by the window. */
  pdf(): void {
    this.#pdf = true;
    this.hidden = true;
  }

  cacheWrite(kind: "1h" | "5m"): void {
    this.#cacheWrites.add(kind);
  }

  /** The bound in the words of the ledger. */
  bound(limits: {
    readonly output: number | undefined;
    readonly choices: number;
    readonly iterations: number;
  }): UsageBound {
    const modalities = [
      ...(this.#image ? (["image"] as const) : []),
      ...(this.#pdf ? (["pdf"] as const) : []),
      "text" as const,
    ];
    return {
      cache_write: [...this.#cacheWrites].sort(),
      choices: BigInt(limits.choices),
      counted: false,
      hidden_input: this.hidden,
      input: BigInt(this.tokens),
      iterations: BigInt(limits.iterations),
      modalities,
      ...(limits.output === undefined ? {} : { output: BigInt(limits.output) }),
      web_search: BigInt(this.searches),
    };
  }
}
