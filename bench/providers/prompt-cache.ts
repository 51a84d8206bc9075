import { hash } from "node:crypto";
import type { Prompt } from "./prompt.ts";

const MINUTE_MS = 60_000;

/** How a prompt splits into what was read from the cache, written to it, and neither. */
export interface CacheUse {
  readonly read: number;
  readonly write5m: number;
  readonly write1h: number;
  /** Makes the writes readable; called when the answer begins, as the vendors do. */
  readonly commit: () => void;
}

/** Breakpoints look back this many segments for a prefix written earlier (vendor's documentation). */
const LOOKBACK = 20;

/** OpenAI's implicit caching: prefixes of 1,024 tokens and more, in steps of 128. */
const IMPLICIT_LEAST = 1_024;
const IMPLICIT_STEP = 128;

/**
 * Remembers prompt prefixes by owner (provider, key, model) and hash until their time is up; a read
 * renews it. Holds at most `entriesMax` prefixes: beyond that the oldest written go first.
 */
export class PromptCache {
  readonly #entriesMax: number;
  readonly #now: () => number;
  /** Prefix hash to its end of life and its length of life, in milliseconds; oldest write first. */
  readonly #entries = new Map<string, { expiresAt: number; ttlMs: number }>();

  constructor(now: () => number = Date.now, entriesMax = 100_000) {
    this.#now = now;
    this.#entriesMax = entriesMax;
  }

  /**
   * Explicit breakpoints (Anthropic). With A the end of the longest prefix read, B the last 1 h
   * breakpoint after it and C the last breakpoint: A is read, A to B is written for 1 h and B to C
   * for 5 m. Source: platform.claude.com/docs/en/build-with-claude/prompt-caching, read 2026-11-22.
   * Prefixes shorter than `leastTokens` are not cached, without an error.
   */
  explicit(owner: string, prompt: Prompt, leastTokens: number): CacheUse {
    const last = prompt.segments.findLastIndex((segment) => segment.breakpoint !== undefined);
    if (last < 0) return none;
    const prefixes = hashes(owner, prompt, last);
    const written: { key: string; ttlMs: number }[] = [];
    const ends = { read: 0, oneHour: 0, fiveMinutes: 0 };
    for (let index = last; index >= 0; index -= 1) {
      const breakpoint = prompt.segments[index]?.breakpoint;
      if (breakpoint === undefined) continue;
      const { key, tokens } = prefixes[index] ?? { key: "", tokens: 0 };
      if (tokens < leastTokens) continue;
      written.push({ key, ttlMs: (breakpoint === "1h" ? 60 : 5) * MINUTE_MS });
      if (breakpoint === "1h") ends.oneHour = Math.max(ends.oneHour, tokens);
      else ends.fiveMinutes = Math.max(ends.fiveMinutes, tokens);
      for (let back = index; back >= 0 && back > index - LOOKBACK; back -= 1) {
        const prefix = prefixes[back];
        if (prefix === undefined || !this.#live(prefix.key)) continue;
        ends.read = Math.max(ends.read, prefix.tokens);
        break;
      }
    }
    const write1h = Math.max(0, ends.oneHour - ends.read);
    const write5m = Math.max(0, ends.fiveMinutes - Math.max(ends.oneHour, ends.read));
    return { read: ends.read, write5m, write1h, commit: () => this.#write(written) };
  }

  /**
   * Implicit prefixes (OpenAI). What is newly written is reported only for models that bill it; it
   * stands in the 5 m bucket, the cheaper of the two write prices, as OpenAI has only one.
   */
  implicit(owner: string, prompt: Prompt, bytesPerToken: number, ttlMs: number): CacheUse {
    if (prompt.tokens < IMPLICIT_LEAST) return none;
    const bytes = Buffer.from(prompt.segments.map((segment) => segment.key).join("\n"));
    const written: { key: string; ttlMs: number }[] = [];
    let key = owner;
    let read = 0;
    let whole = 0;
    const step = IMPLICIT_STEP * bytesPerToken;
    for (let end = step; end <= bytes.length; end += step) {
      whole += IMPLICIT_STEP;
      if (whole > prompt.tokens) break;
      key = hash("sha1", key + bytes.toString("latin1", end - step, end), "base64");
      if (whole < IMPLICIT_LEAST) continue;
      if (this.#live(key)) read = whole;
      written.push({ key, ttlMs });
    }
    const end = written.length === 0 ? 0 : IMPLICIT_LEAST + (written.length - 1) * IMPLICIT_STEP;
    return { read, write5m: end - read, write1h: 0, commit: () => this.#write(written) };
  }

  get size(): number {
    return this.#entries.size;
  }

  #live(key: string): boolean {
    const entry = this.#entries.get(key);
    if (entry === undefined) return false;
    const now = this.#now();
    if (entry.expiresAt <= now) {
      this.#entries.delete(key);
      return false;
    }
    entry.expiresAt = now + entry.ttlMs;
    return true;
  }

  #write(entries: readonly { key: string; ttlMs: number }[]): void {
    const now = this.#now();
    for (const { key, ttlMs } of entries) {
      this.#entries.delete(key);
      this.#entries.set(key, { expiresAt: now + ttlMs, ttlMs });
    }
    for (const key of this.#entries.keys()) {
      if (this.#entries.size <= this.#entriesMax) break;
      this.#entries.delete(key);
    }
  }
}

/** Nothing is cached and nothing will be. */
export const none: CacheUse = { read: 0, write5m: 0, write1h: 0, commit: () => undefined };

/** Chained hash and running token count at the end of each segment up to `last`. */
function hashes(owner: string, prompt: Prompt, last: number): { key: string; tokens: number }[] {
  const prefixes: { key: string; tokens: number }[] = [];
  let key = owner;
  let tokens = 0;
  for (const segment of prompt.segments.slice(0, last + 1)) {
    key = hash("sha1", `${key}\n${segment.key}`, "base64");
    tokens += segment.tokens;
    prefixes.push({ key, tokens });
  }
  return prefixes;
}
