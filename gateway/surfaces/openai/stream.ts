import type { Metered, StreamReader } from "../../surface.ts";
import { meterUsage } from "./meter.ts";

/**
 * Reads a Chat Completions stream: the usage comes once, in a chunk without choices before
 * `data: [DONE]`, and only where `include_usage` was asked for; every other chunk has `usage: null`.
 * Source: `openai` 6.49.0, `ChatCompletionStreamOptions`, 2026-07-23.
 */
export class OpenaiStream implements StreamReader {
  readonly #strip: boolean;
  #usage: unknown;
  #model: string | undefined;
  #serviceTier: unknown;

  /** @param strip the client did not ask for the usage chunk, so it is kept from it */
  constructor(strip: boolean) {
    this.#strip = strip;
  }

  line(text: string): "end" | "pass" | "strip" {
    if (!text.startsWith("data:")) return "pass";
    const data = text.slice(5).trim();
    if (data === "[DONE]") return "end";
    // Content chunks are many and say nothing new once the model is known: only null usage passes.
    if (this.#model !== undefined && QUIET.test(data)) return "pass";
    let chunk: Chunk;
    try {
      chunk = JSON.parse(data) as Chunk;
    } catch {
      return "pass";
    }
    if (typeof chunk !== "object" || chunk === null) return "pass";
    if (typeof chunk.model === "string") this.#model = chunk.model;
    if (typeof chunk.service_tier === "string") this.#serviceTier = chunk.service_tier;
    if (typeof chunk.usage !== "object" || chunk.usage === null) return "pass";
    this.#usage = chunk.usage;
    const bare = !Array.isArray(chunk.choices) || chunk.choices.length === 0;
    return this.#strip && bare ? "strip" : "pass";
  }

  metered(): Metered {
    return meterUsage(this.#usage, this.#model, this.#serviceTier, this.#usage !== undefined);
  }
}

/** A chunk that ends on `"usage":null}`: nothing to read in it. */
const QUIET = /"usage":\s*null\s*\}$/;

interface Chunk {
  readonly model?: unknown;
  readonly choices?: unknown;
  readonly service_tier?: unknown;
  readonly usage?: unknown;
}
