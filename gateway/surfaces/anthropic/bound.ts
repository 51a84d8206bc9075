import { type BodyProblems } from "../../body-problems.ts";
import { type BoundTally, jsonBytes, textBytes } from "../../estimate.ts";

/**
 * Tokens of one image at most. Claude sees images in patches of 28 × 28 pixels: at most 4,784 after
 * scaling (1,568 before Opus 4.7); rounded up.
 * Source: https://platform.claude.com/docs/en/build-with-claude/vision, read 2026-11-22.
 */
const IMAGE_TOKENS = 5_000;

/** Tokens around a request and around each message and block that stand in no text: roles, separators. */
const REQUEST_OVERHEAD = 256;
const BLOCK_OVERHEAD = 16;

/**
 * The system prompt that comes with any tool: 159 to 530 tokens by model and choice; a structured
 * output has one of its own. Rounded up.
 * Source: https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview, read 2026-11-22.
 */
const TOOL_PROMPT = 1_024;

/**
 * Definitions of the tools that Anthropic keeps itself are not published in full: the text editor is
 * given as 700 tokens, bash 245, computer use 735; a toolset carries up to 31 members. Bounds of ours,
 * generous: 2,048 for one tool, 512 for each member a toolset can have.
 */
const KEPT_TOOL = 2_048;
const KEPT_TOOLSET = 16_384;

/**
 * The provider's own loop over server tools ends after ten rounds (`pause_turn`).
 * Source: https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons, read 2026-11-22.
 */
export const SERVER_ROUNDS_MAX = 10;

type Json = Readonly<Record<string, unknown>>;

/** Walks a body into a tally; unknown kinds of content are refused by their path. */
export class AnthropicBound {
  readonly #tally: BoundTally;
  readonly #problems: BodyProblems;

  constructor(tally: BoundTally, problems: BodyProblems) {
    this.#tally = tally;
    this.#problems = problems;
  }

  /** Every field of the body; `messages`, `system` and `tools` by what they are, the rest by its bytes. */
  body(body: Json): void {
    this.#tally.add(REQUEST_OVERHEAD);
    for (const [field, value] of Object.entries(body)) {
      if (field === "messages") this.#messages(value);
      else if (field === "system") this.#content(value, "system", new Set(["text"]));
      else if (field === "tools") this.#tools(value);
      else this.#tally.add(textBytes(field) + jsonBytes(value));
      if (field === "cache_control") this.#cacheControl(body, "");
    }
    if (body["output_config"] !== undefined || body["output_format"] !== undefined) {
      this.#tally.add(TOOL_PROMPT);
    }
  }

  #messages(value: unknown): void {
    if (!Array.isArray(value)) return this.#problems.malformed("messages", "must be a list");
    value.forEach((message: unknown, i) => {
      const path = `messages[${i}]`;
      if (!isObject(message)) return this.#problems.malformed(path, "must be an object");
      const { content, role, ...rest } = message;
      if (typeof role !== "string") this.#problems.malformed(`${path}.role`, "must be a string");
      this.#tally.add(BLOCK_OVERHEAD + jsonBytes(rest));
      this.#content(content, `${path}.content`, MESSAGE_BLOCKS);
    });
  }

  /** A string, or a list of blocks of the kinds that may stand here. */
  #content(value: unknown, path: string, kinds: ReadonlySet<string>): void {
    if (value === undefined || value === null) return;
    if (typeof value === "string") return this.#tally.add(textBytes(value) + BLOCK_OVERHEAD);
    if (!Array.isArray(value)) {
      return this.#problems.malformed(path, "must be a string or a list of blocks");
    }
    value.forEach((block: unknown, i) => {
      const at = `${path}[${i}]`;
      if (!isObject(block)) return this.#problems.malformed(at, "must be an object");
      const { type } = block;
      if (typeof type !== "string")
        return this.#problems.malformed(`${at}.type`, "must be a string");
      if (!kinds.has(type)) {
        return this.#problems.unmetered(
          at,
          `content of type "${type.slice(0, 60)}" cannot be bounded`,
        );
      }
      this.#tally.add(BLOCK_OVERHEAD);
      this.#cacheControl(block, at);
      this.#block(block, type, at);
    });
  }

  #block(block: Json, type: string, path: string): void {
    if (type === "image") return this.#image(block, path);
    if (type === "document") return this.#document(block, path);
    if (type === "tool_result") {
      const { content, ...rest } = block;
      this.#tally.add(jsonBytes(rest));
      return this.#content(content, `${path}.content`, RESULT_BLOCKS);
    }
    if (type === "web_fetch_tool_result" && isObject(block["content"])) {
      const { content: fetched, ...rest } = block["content"];
      this.#tally.add(jsonBytes({ ...block, content: rest }));
      if (isObject(fetched)) this.#document(fetched, `${path}.content.content`);
      return;
    }
    // Citations cut a text into numbered pieces: its bytes once more cover the marks.
    const cited = isObject(block["citations"]) && block["citations"]["enabled"] === true ? 2 : 1;
    this.#tally.add(jsonBytes(block) * cited);
  }

  #image(block: Json, path: string): void {
    const { source, ...rest } = block;
    if (!isObject(source)) return this.#problems.malformed(`${path}.source`, "must be an object");
    // Whatever stands behind a URL or a file id, what the model is shown is one scaled image.
    this.#tally.image(IMAGE_TOKENS);
    this.#tally.add(jsonBytes(rest));
  }

  #document(block: Json, path: string): void {
    const { source, ...rest } = block;
    if (!isObject(source)) return this.#problems.malformed(`${path}.source`, "must be an object");
    this.#tally.add(jsonBytes(rest));
    switch (source["type"]) {
      case "text":
        return this.#tally.add(2 * jsonBytes(source["data"]));
      case "content":
        return this.#content(source["content"], `${path}.source.content`, SOURCE_BLOCKS);
      case "base64":
      case "url":
        return this.#tally.pdf();
      case "file":
        // The file may be text or a PDF; what it holds is seen only by the provider.
        return this.#tally.pdf();
      default:
        return this.#problems.unmetered(
          `${path}.source`,
          "a source of this type cannot be bounded",
        );
    }
  }

  #tools(value: unknown): void {
    if (value === null) return;
    if (!Array.isArray(value)) return this.#problems.malformed("tools", "must be a list");
    if (value.length > 0) this.#tally.add(TOOL_PROMPT);
    value.forEach((tool: unknown, i) => {
      const path = `tools[${i}]`;
      if (!isObject(tool)) return this.#problems.malformed(path, "must be an object");
      this.#tally.add(BLOCK_OVERHEAD + jsonBytes(tool));
      this.#cacheControl(tool, path);
      this.#tool(tool, path);
    });
  }

  #tool(tool: Json, path: string): void {
    const type = tool["type"] ?? "custom";
    if (typeof type !== "string")
      return this.#problems.malformed(`${path}.type`, "must be a string");
    if (type === "custom") return;
    if (CLIENT_TOOLS.test(type)) return this.#tally.add(KEPT_TOOL);
    if (CLIENT_TOOLSETS.test(type)) return this.#tally.add(KEPT_TOOLSET);
    if (TOOL_SEARCH.test(type)) {
      this.#tally.add(KEPT_TOOL);
      // Each search is a round of its own, and nothing limits them but the provider's loop.
      this.#tally.rounds = SERVER_ROUNDS_MAX;
      return;
    }
    const searches = WEB_SEARCH.test(type);
    if (!searches && !WEB_FETCH.test(type)) {
      return this.#problems.unmetered(
        path,
        `a tool of type "${type.slice(0, 60)}" cannot be metered`,
      );
    }
    const uses = tool["max_uses"];
    if (!Number.isSafeInteger(uses) || (uses as number) < 1 || (uses as number) > 1_000) {
      const why = "must be given, from 1 to 1000: without it the provider may use the tool at will";
      return this.#problems.unmetered(`${path}.max_uses`, why);
    }
    this.#tally.add(KEPT_TOOL);
    this.#tally.rounds += uses as number;
    if (searches) this.#tally.searches += uses as number;
  }

  #cacheControl(holder: Json, path: string): void {
    const control = holder["cache_control"];
    if (control === undefined || control === null) return;
    const at = path === "" ? "cache_control" : `${path}.cache_control`;
    if (!isObject(control)) return this.#problems.malformed(at, "must be an object");
    const { ttl } = control;
    this.#tally.cacheWrite(ttl === undefined || ttl === null || ttl === "5m" ? "5m" : "1h");
  }
}

/** Types of tools that the client runs; their definitions are Anthropic's. */
const CLIENT_TOOLS = /^(bash|text_editor|memory|computer)_20\d{6}$/;
const CLIENT_TOOLSETS = /^(browser|computer)_toolset_20\d{6}$/;
const TOOL_SEARCH = /^tool_search_tool_(bm25|regex)(_20\d{6})?$/;
const WEB_SEARCH = /^web_search_20\d{6}$/;
const WEB_FETCH = /^web_fetch_20\d{6}$/;

/**
 * Blocks that may stand in a message. `container_upload`, MCP, advisor, compaction and fallback blocks
 * are left out: what they show the model is kept at the provider, or changes who answers.
 * Source: `@anthropic-ai/sdk` 1.12.0, `ContentBlockParam`, 2026-11-20.
 */
const MESSAGE_BLOCKS: ReadonlySet<string> = new Set([
  "bash_code_execution_tool_result",
  "code_execution_tool_result",
  "document",
  "image",
  "redacted_thinking",
  "search_result",
  "server_tool_use",
  "text",
  "text_editor_code_execution_tool_result",
  "thinking",
  "tool_result",
  "tool_search_tool_result",
  "tool_use",
  "web_fetch_tool_result",
  "web_search_tool_result",
]);
const RESULT_BLOCKS: ReadonlySet<string> = new Set([
  "browser_state",
  "document",
  "image",
  "search_result",
  "text",
  "tool_reference",
]);
const SOURCE_BLOCKS: ReadonlySet<string> = new Set(["image", "text"]);

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
