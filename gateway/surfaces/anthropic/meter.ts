import { type Usage, usageOf } from "../../../ledger/usage.ts";
import type { Metered } from "../../surface.ts";

/**
 * Anthropic's usage into disjoint buckets. `input_tokens`, `cache_read_input_tokens` and
 * `cache_creation_input_tokens` stand side by side; `output_tokens` contains thinking.
 * Source: `@anthropic-ai/sdk` 1.12.0, `Usage` and `MessageDeltaUsage` in
 * resources/messages/messages.d.ts, `BetaIterationsUsage` in resources/beta, 2026-11-20.
 */
export interface AnthropicUsage {
  /** Counts as last reported; a field that was never reported is absent. */
  readonly counts: ReadonlyMap<string, bigint>;
  /** Cache writes by ttl, as `message_start` splits them: deltas report the sum only. */
  readonly write5m: bigint | undefined;
  readonly write1h: bigint | undefined;
  readonly searches: bigint | undefined;
  readonly iterations: readonly Json[] | undefined;
  readonly offCard: string | undefined;
}

export const NO_USAGE: AnthropicUsage = {
  counts: new Map(),
  write5m: undefined,
  write1h: undefined,
  searches: undefined,
  iterations: undefined,
  offCard: undefined,
};

type Json = Readonly<Record<string, unknown>>;
const COUNTS = [
  "cache_creation_input_tokens",
  "cache_read_input_tokens",
  "input_tokens",
  "output_tokens",
] as const;

/**
 * Takes a usage object over what was known: deltas are cumulative, so a count overwrites; null and
 * absent leave what stood there.
 */
export function overwrite(known: AnthropicUsage, reported: unknown): AnthropicUsage {
  if (!isObject(reported)) return known;
  const counts = new Map(known.counts);
  for (const name of COUNTS) {
    const count = countOf(reported[name]);
    if (count !== undefined) counts.set(name, count);
  }
  const split = isObject(reported["cache_creation"]) ? reported["cache_creation"] : {};
  const tools = isObject(reported["server_tool_use"]) ? reported["server_tool_use"] : {};
  const iterations = reported["iterations"];
  return {
    counts,
    write5m: countOf(split["ephemeral_5m_input_tokens"]) ?? known.write5m,
    write1h: countOf(split["ephemeral_1h_input_tokens"]) ?? known.write1h,
    searches: countOf(tools["web_search_requests"]) ?? known.searches,
    iterations: Array.isArray(iterations) ? iterations.filter(isObject) : known.iterations,
    offCard: offCard(reported) ?? known.offCard,
  };
}

/** Terms of service that cost other than the card says. Absent and null are the standard ones. */
function offCard(reported: Json): string | undefined {
  const { service_tier: tier, speed, inference_geo: geo } = reported;
  if (typeof tier === "string" && tier !== "standard") return `service_tier ${tier}`;
  if (typeof speed === "string" && speed !== "standard") return `speed ${speed}`;
  if (typeof geo === "string" && geo !== "global" && geo !== "not_available") {
    return `inference_geo ${geo}`;
  }
  return undefined;
}

/** What was reported comes to, or undefined while input or output is missing: absent is not zero. */
export function metered(
  known: AnthropicUsage,
  model: string | undefined,
  complete: boolean,
): Metered {
  const usage = bucketsOf(known);
  const foreign = (known.iterations ?? []).find(
    ({ model: by }) => typeof by === "string" && by !== model,
  );
  const elsewhere =
    foreign === undefined ? undefined : `an iteration by ${String(foreign["model"])}`;
  return {
    usage,
    complete: complete && usage !== undefined,
    model,
    offCard: known.offCard ?? elsewhere,
  };
}

function bucketsOf(known: AnthropicUsage): Usage | undefined {
  const top = counted(known);
  if (top === undefined) return undefined;
  // The top level leaves out what compaction used; the iterations have it. Never less than either.
  const each = (known.iterations ?? []).map((part) => counted(overwrite(NO_USAGE, part)));
  const sum = (unit: keyof Buckets) =>
    each.reduce((total, part) => total + (part?.[unit] ?? 0n), 0n);
  const most = (unit: keyof Buckets) => (sum(unit) > top[unit] ? sum(unit) : top[unit]);
  return usageOf({
    cache_read: most("cache_read"),
    cache_write_1h: most("cache_write_1h"),
    cache_write_5m: most("cache_write_5m"),
    input: most("input"),
    output: most("output"),
    web_search: known.searches,
  });
}

interface Buckets {
  readonly cache_read: bigint;
  readonly cache_write_1h: bigint;
  readonly cache_write_5m: bigint;
  readonly input: bigint;
  readonly output: bigint;
}

function counted(known: AnthropicUsage): Buckets | undefined {
  const input = known.counts.get("input_tokens");
  const output = known.counts.get("output_tokens");
  if (input === undefined || output === undefined) return undefined;
  const split5m = known.write5m ?? 0n;
  const split1h = known.write1h ?? 0n;
  const written = known.counts.get("cache_creation_input_tokens") ?? split5m + split1h;
  // Writes beyond the split came while streaming and have no ttl: the dearer one covers them.
  const grown = written > split5m + split1h ? written - split5m - split1h : 0n;
  return {
    cache_read: known.counts.get("cache_read_input_tokens") ?? 0n,
    cache_write_1h: split1h + grown,
    cache_write_5m: split5m,
    input,
    output,
  };
}

/** Reads the usage of a whole message. */
export function meterMessage(body: unknown): Metered {
  if (!isObject(body)) return metered(NO_USAGE, undefined, false);
  const model = typeof body["model"] === "string" ? body["model"] : undefined;
  return metered(overwrite(NO_USAGE, body["usage"]), model, true);
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
