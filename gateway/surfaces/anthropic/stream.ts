import type { Metered, StreamReader } from "../../surface.ts";
import { type AnthropicUsage, metered, NO_USAGE, overwrite } from "./meter.ts";

/** Events that carry neither usage nor an end: their data is not parsed. */
const QUIET = new Set(["content_block_delta", "content_block_start", "content_block_stop", "ping"]);

/**
 * Reads a Messages stream: `message_start` has the input and the split of cache writes, each
 * `message_delta` overwrites with cumulative counts, the one with a stop reason is the last word, and
 * `message_stop` ends it. A stream that stops before is not measured.
 * Source: https://platform.claude.com/docs/en/build-with-claude/streaming, read 2026-11-22.
 */
export class AnthropicStream implements StreamReader {
  #event = "";
  #usage: AnthropicUsage = NO_USAGE;
  #model: string | undefined;
  #complete = false;

  line(text: string): "end" | "pass" {
    if (text === "") {
      this.#event = "";
      return "pass";
    }
    if (text.startsWith("event:")) {
      this.#event = text.slice(6).trim();
      return this.#event === "message_stop" ? "end" : "pass";
    }
    if (!text.startsWith("data:") || QUIET.has(this.#event)) return "pass";
    return this.#data(text.slice(5));
  }

  metered(): Metered {
    return metered(this.#usage, this.#model, this.#complete);
  }

  #data(json: string): "end" | "pass" {
    let data: Event;
    try {
      data = JSON.parse(json) as Event;
    } catch {
      return "pass";
    }
    switch (data?.type) {
      case "message_start":
        this.#usage = overwrite(this.#usage, data.message?.usage);
        if (typeof data.message?.model === "string") this.#model = data.message.model;
        return "pass";
      case "message_delta":
        this.#usage = overwrite(this.#usage, data.usage);
        // Only now the output is counted to its end.
        if (typeof data.delta?.stop_reason === "string") this.#complete = true;
        return "pass";
      case "message_stop":
        return "end";
      default:
        return "pass";
    }
  }
}

interface Event {
  readonly type?: unknown;
  readonly message?: { readonly usage?: unknown; readonly model?: unknown };
  readonly usage?: unknown;
  readonly delta?: { readonly stop_reason?: unknown };
}
