import { usageOf } from "../../../ledger/usage.ts";
import type { Metered } from "../../surface.ts";

type Json = Readonly<Record<string, unknown>>;

/**
 * OpenAI's usage into disjoint buckets. `prompt_tokens` already contains the cached part and the part
 * written to the cache, so both are subtracted; Anthropic reports the buckets side by side, see
 * ../anthropic/meter.ts. `completion_tokens` contains reasoning and both kinds of prediction tokens.
 * Source: `openai` 6.49.0, `CompletionUsage` in resources/completions.d.ts, 2026-07-23.
 *
 * @param usage null while a stream runs, which is absent and not zero
 */
export function meterUsage(
  usage: unknown,
  model: string | undefined,
  serviceTier: unknown,
  complete: boolean,
): Metered {
  const offCard = tierOffCard(serviceTier);
  const absent: Metered = { usage: undefined, complete: false, model, offCard };
  if (!isObject(usage)) return absent;
  const prompt = countOf(usage["prompt_tokens"]);
  const output = countOf(usage["completion_tokens"]);
  if (prompt === undefined || output === undefined) return absent;
  const details = isObject(usage["prompt_tokens_details"]) ? usage["prompt_tokens_details"] : {};
  const outputDetails = isObject(usage["completion_tokens_details"])
    ? usage["completion_tokens_details"]
    : {};
  const read = countOf(details["cached_tokens"]) ?? 0n;
  const written = countOf(details["cache_write_tokens"]) ?? 0n;
  const audio =
    (countOf(details["audio_tokens"]) ?? 0n) + (countOf(outputDetails["audio_tokens"]) ?? 0n);
  const plain = prompt - read - written;
  return {
    usage: usageOf({
      cache_read: read,
      cache_write_5m: written,
      input: plain > 0n ? plain : 0n,
      output,
    }),
    complete,
    model,
    offCard: offCard ?? (audio > 0n ? "audio tokens" : undefined),
  };
}

/** Tiers that cost other than the card says. Absent and null are the standard one. */
function tierOffCard(serviceTier: unknown): string | undefined {
  if (typeof serviceTier !== "string" || serviceTier === "default") return undefined;
  return `service_tier ${serviceTier}`;
}

/** Reads the usage of a whole completion. */
export function meterCompletion(body: unknown): Metered {
  if (!isObject(body)) return meterUsage(undefined, undefined, undefined, false);
  const model = typeof body["model"] === "string" ? body["model"] : undefined;
  return meterUsage(body["usage"], model, body["service_tier"], true);
}

/** A count as reported; anything but a whole number of at least zero is absent. */
function countOf(value: unknown): bigint | undefined {
  return Number.isSafeInteger(value) && (value as number) >= 0
    ? BigInt(value as number)
    : undefined;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
