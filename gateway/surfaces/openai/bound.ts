import { type BodyProblems } from "../../body-problems.ts";
import { type BoundTally, jsonBytes, textBytes } from "../../estimate.ts";

/**
 * Tokens of one image at most, whatever its detail: 14,364 were counted for 12 megapixels on
 * `detail: auto`; rounded up. Measured by others, November 2026; OpenAI publishes per-model formulas
 * (https://platform.openai.com/docs/guides/images-vision, read 2026-11-22) that stay below.
 */
const IMAGE_TOKENS = 16_000;

/**
 * Role, name and separators of a message are 3 to 4 tokens, a reply is primed with 3; a tool call has
 * a frame of its own. Rounded up.
 * Source: OpenAI cookbook, "How to count tokens with tiktoken", read 2026-11-22.
 */
const REQUEST_OVERHEAD = 64;
const MESSAGE_OVERHEAD = 16;
const PART_OVERHEAD = 8;

type Json = Readonly<Record<string, unknown>>;

/** Walks a body into a tally, gathering the texts that a tokenizer can count instead. */
export class OpenaiBound {
  readonly #tally: BoundTally;
  readonly #problems: BodyProblems;
  /** Message texts, and their bytes inside the tally. */
  readonly texts: string[] = [];
  textTokens = 0;

  constructor(tally: BoundTally, problems: BodyProblems) {
    this.#tally = tally;
    this.#problems = problems;
  }

  body(body: Json): void {
    // From gpt-5.6 on a cache write is billed, and the provider caches by itself; older models' cards
    // carry the price of input here.
    this.#tally.cacheWrite("5m");
    this.#tally.add(REQUEST_OVERHEAD);
    for (const [field, value] of Object.entries(body)) {
      if (field === "messages") this.#messages(value);
      else this.#tally.add(textBytes(field) + jsonBytes(value));
    }
    this.#tools(body["tools"]);
  }

  #messages(value: unknown): void {
    if (!Array.isArray(value)) return this.#problems.malformed("messages", "must be a list");
    value.forEach((message: unknown, i) => {
      const path = `messages[${i}]`;
      if (!isObject(message)) return this.#problems.malformed(path, "must be an object");
      const { content, role, audio, ...rest } = message;
      if (typeof role !== "string") this.#problems.malformed(`${path}.role`, "must be a string");
      if (audio !== undefined && audio !== null) {
        this.#problems.unmetered(`${path}.audio`, "audio of an earlier answer is not priced");
      }
      this.#tally.add(MESSAGE_OVERHEAD + jsonBytes(rest));
      this.#content(content, `${path}.content`);
    });
  }

  #content(value: unknown, path: string): void {
    if (value === undefined || value === null) return;
    if (typeof value === "string") return this.#text(value);
    if (!Array.isArray(value)) {
      return this.#problems.malformed(path, "must be a string or a list of parts");
    }
    value.forEach((part: unknown, i) => {
      const at = `${path}[${i}]`;
      if (!isObject(part)) return this.#problems.malformed(at, "must be an object");
      this.#tally.add(PART_OVERHEAD);
      this.#part(part, at);
    });
  }

  #part(part: Json, path: string): void {
    const { type } = part;
    switch (type) {
      case "text":
      case "refusal": {
        const { [type]: text, ...rest } = part;
        if (typeof text !== "string") {
          return this.#problems.malformed(`${path}.${type}`, "must be a string");
        }
        this.#tally.add(jsonBytes(rest));
        return this.#text(text);
      }
      case "image_url": {
        if (!isObject(part["image_url"])) {
          return this.#problems.malformed(`${path}.image_url`, "must be an object");
        }
        const { image_url: _, ...rest } = part;
        this.#tally.add(jsonBytes(rest));
        return this.#tally.image(IMAGE_TOKENS);
      }
      case "file":
        // Behind an id or as data: pages are shown as text and as images, and cannot be counted here.
        if (!isObject(part["file"])) {
          return this.#problems.malformed(`${path}.file`, "must be an object");
        }
        return this.#tally.pdf();
      case "input_audio":
        return this.#problems.unmetered(path, "audio input is not priced");
      default:
        if (typeof type !== "string") {
          return this.#problems.malformed(`${path}.type`, "must be a string");
        }
        return this.#problems.unmetered(
          path,
          `content of type "${type.slice(0, 60)}" cannot be bounded`,
        );
    }
  }

  #text(text: string): void {
    const bytes = textBytes(text);
    this.#tally.add(bytes);
    this.textTokens += bytes;
    this.texts.push(text);
  }

  #tools(value: unknown): void {
    if (!Array.isArray(value)) return;
    value.forEach((tool: unknown, i) => {
      const path = `tools[${i}]`;
      if (!isObject(tool)) return this.#problems.malformed(path, "must be an object");
      this.#tally.add(MESSAGE_OVERHEAD);
      const { type } = tool;
      if (type !== "function" && type !== "custom") {
        this.#problems.unmetered(
          path,
          `a tool of type ${JSON.stringify(type ?? null).slice(0, 60)} cannot be metered`,
        );
      }
    });
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
