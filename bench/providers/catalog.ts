import { calcPrice, findProvider } from "@pydantic/genai-prices";
import { limitsOf, OVERLAY } from "../../prices/overlay.ts";
import type { Provider } from "./served.ts";

/** A model that a provider serves. */
export interface ModelFacts {
  readonly id: string;
  /** Longest prompt plus output in tokens; `null` where the price data does not say. */
  readonly window: number | null;
  /** Largest output of one choice; a request that asks for more is refused. `null`: not known. */
  readonly outputMax: number | null;
  readonly kind: "chat" | "embedding" | "other";
  /** Spends hidden reasoning tokens unless told not to (OpenAI). */
  readonly reasons: boolean;
  /** Reports and bills prompt tokens written to the cache (OpenAI from gpt-5.6 on). */
  readonly billsCacheWrites: boolean;
  /** Name that the vendor answers with when asked for the alias. */
  readonly dated: string;
}

/**
 * Dated snapshots of Anthropic's aliases: type `Model` in
 * @anthropic-ai/sdk 1.12.0 resources/messages/messages.d.ts, read 2026-11-22.
 */
const ANTHROPIC_DATED: ReadonlyMap<string, string> = new Map([
  ["claude-haiku-4-5", "claude-haiku-4-5-20251001"],
  ["claude-opus-4-5", "claude-opus-4-5-20251101"],
  ["claude-sonnet-4-5", "claude-sonnet-4-5-20250929"],
]);

/** Models that are not asked for through chat completions. */
const OPENAI_OTHER =
  /realtime|audio|image|tts|transcribe|whisper|moderation|instruct|davinci|curie|babbage|^ada$|-pro$|deep-research|codex|computer-use/;
const OPENAI_REASONS = /^(o\d|gpt-[5-9])(?!.*chat)/;

/** The models a provider knows: all in the price data, published and of our own, and the ones added. */
export class Catalog {
  readonly #provider: Provider;
  readonly #added: ReadonlySet<string>;
  /** Facts by the name asked for; bounded, because names come from clients. */
  readonly #known = new Map<string, ModelFacts | undefined>();

  constructor(provider: Provider, added: readonly string[] = []) {
    this.#provider = provider;
    this.#added = new Set(added);
  }

  /** The facts of a model, or `undefined` when this provider does not know it. */
  find(name: string): ModelFacts | undefined {
    if (this.#known.has(name)) return this.#known.get(name);
    if (this.#known.size >= 10_000) this.#known.clear();
    const facts = this.#look(name);
    this.#known.set(name, facts);
    return facts;
  }

  /** Ids to list, as in the price data, then the added ones. */
  ids(): readonly string[] {
    const models = findProvider({ providerId: this.#provider })?.models ?? [];
    const overlaid = OVERLAY.prices.filter(({ provider }) => provider === this.#provider);
    const ids = [...models.map(({ id }) => id), ...overlaid.map(({ model }) => model)];
    return [...new Set([...ids, ...this.#added])];
  }

  #look(name: string): ModelFacts | undefined {
    // Only the match and the limits are taken; the price itself is a float and is not used.
    const found = calcPrice({ input_tokens: 1 }, name, { providerId: this.#provider });
    const overlaid = OVERLAY.prices.find(
      ({ provider, model }) => provider === this.#provider && model === name,
    );
    if (found === null && overlaid === undefined && !this.#added.has(name)) return undefined;
    const limits = limitsOf(name) ?? (found === null ? undefined : limitsOf(found.model.id));
    const writes = overlaid?.bands[0]?.usd.cache_write_5m ?? found?.model_price["cache_write_mtok"];
    const openai = this.#provider === "openai";
    const embedding = openai && name.startsWith("text-embedding");
    return {
      id: name,
      window: limits?.window ?? found?.model.context_window ?? null,
      outputMax: limits?.output_max ?? null,
      kind: embedding ? "embedding" : openai && OPENAI_OTHER.test(name) ? "other" : "chat",
      reasons: openai && OPENAI_REASONS.test(name),
      billsCacheWrites: writes !== undefined,
      dated: openai ? openaiDated(found?.model.match, name) : (ANTHROPIC_DATED.get(name) ?? name),
    };
  }
}

/** Picks `name-YYYY-MM-DD` from the names that the price data lists for the same model, the latest. */
function openaiDated(match: unknown, name: string): string {
  const dates: string[] = [];
  for (const [, id] of JSON.stringify(match ?? null).matchAll(/"equals":"([^"]+)"/g)) {
    if (
      id !== undefined &&
      /^-\d{4}-\d{2}-\d{2}$/.test(id.slice(name.length)) &&
      id.startsWith(name)
    ) {
      dates.push(id);
    }
  }
  return dates.sort().at(-1) ?? name;
}
