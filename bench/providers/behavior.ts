/** Ways in which an answer can break off. All but `reset-before` happen after the status line. */
export const FAULTS = [
  /** The socket is reset before any byte of the answer. */
  "reset-before",
  /** The socket is reset after `faultAfterTokens`. */
  "reset-after",
  /** The answer falls silent after `faultAfterTokens`: for `stallMs`, or until the client leaves. */
  "stall",
  /** The connection closes after `faultAfterTokens`, in the middle of the body. */
  "cut",
  /** The body ends in good order after `faultAfterTokens`, without its closing events. */
  "end-early",
  /** Everything is sent, usage included, but for the end marker (`message_stop`, `[DONE]`). */
  "cut-before-done",
  /** The vendor's own mid-stream error event after `faultAfterTokens`, then the end. */
  "error-event",
] as const;
export type Fault = (typeof FAULTS)[number];

/**
 * How one request is answered. Times are milliseconds, lengths are tokens; `null` leaves the matter
 * to the vendor's rules.
 */
export interface Behavior {
  /** Silence between the whole request and the first byte of the answer. */
  readonly firstByteMs: number;
  /** Silence between two chunks of a stream; of a plain answer, per chunk it would have had. */
  readonly paceMs: number;
  /** Share (0 to 1) by which each of the two silences is varied up or down. */
  readonly jitter: number;
  /** Silent before the first byte until the control releases it. */
  readonly hold: boolean;
  /** Tokens a choice would come to if nothing limited it; `null`: a plausible number. */
  readonly outputTokens: number | null;
  /** Prompt tokens to report instead of the counted ones. */
  readonly inputTokens: number | null;
  readonly tokensPerChunk: number;
  /** 4 is English; 1 makes every byte of text a token, the most a byte-level tokenizer can do. */
  readonly bytesPerToken: number;
  /** Output tokens above the request's own maximum, reported and billed. */
  readonly overageTokens: number;
  /** Answer with this status in the vendor's envelope. */
  readonly errorStatus: number | null;
  /** The envelope's `type` (Anthropic) or `code` (OpenAI); `null`: the usual one of that status. */
  readonly errorType: string | null;
  readonly errorMessage: string | null;
  /** Seconds for `retry-after` on an error answer; `null`: 1 on a 429, else none. */
  readonly retryAfterS: number | null;
  readonly fault: Fault | null;
  /** Output tokens sent before the fault; `null`: half of them. */
  readonly faultAfterTokens: number | null;
  /** Length of a stall that ends; `null`: it does not. */
  readonly stallMs: number | null;
  /** What the answer says of usage. `zero` is also billed as zero; `missing` and `null` are not. */
  readonly usage: "real" | "missing" | "null" | "zero";
  /** Model named as the one that served, instead of the one asked for. */
  readonly servedModel: string | null;
  /** Name the dated snapshot of an alias, as both vendors do, where one is known. */
  readonly datedModel: boolean;
  readonly serviceTier: string | null;
  /** After the client has left: generate and bill to the end, or stop and bill what there is. */
  readonly whenClientGone: "finish" | "stop";
  /** What a broken-off answer is billed; `null`: nothing for `reset-before`, else what was generated. */
  readonly bill: "full" | "generated" | "none" | null;
  /** `auto`: a tool is called when tools are given and the last message is no tool result. */
  readonly toolUse: "auto" | "always" | "never";
  /** Parallel calls in one answer. */
  readonly toolCalls: number;
  /** Thinking (Anthropic) or reasoning (OpenAI) tokens; `null`: a share of the output. */
  readonly thinkingTokens: number | null;
  /** Web searches, where the tool is offered; `null`: one. */
  readonly webSearches: number | null;
  readonly refusal: boolean;
  /** Extra cumulative `message_delta` events before the last (Anthropic). */
  readonly usageDeltas: number;
  /** Write the stream in pieces of so many bytes; 0: as it comes. */
  readonly splitBytes: number;
  readonly caching: boolean;
  /** Free text kept in the served record, to find a call again. */
  readonly tag: string | null;
}

/** A choice of knobs over the ones in force. */
export type BehaviorPatch = { readonly [K in keyof Behavior]?: Behavior[K] };

/** A plausible answer without delay and without fault. */
export const PLAIN: Behavior = {
  firstByteMs: 0,
  paceMs: 0,
  jitter: 0,
  hold: false,
  outputTokens: null,
  inputTokens: null,
  tokensPerChunk: 6,
  bytesPerToken: 4,
  overageTokens: 0,
  errorStatus: null,
  errorType: null,
  errorMessage: null,
  retryAfterS: null,
  fault: null,
  faultAfterTokens: null,
  stallMs: null,
  usage: "real",
  servedModel: null,
  datedModel: true,
  serviceTier: null,
  whenClientGone: "finish",
  bill: null,
  toolUse: "auto",
  toolCalls: 1,
  thinkingTokens: null,
  webSearches: null,
  refusal: false,
  usageDeltas: 0,
  splitBytes: 0,
  caching: true,
  tag: null,
};

/** Delays as a person at a keyboard would see them; for the demo. */
export const LIFELIKE: BehaviorPatch = { firstByteMs: 420, paceMs: 24, jitter: 0.5 };

/** Reads one knob from a header or from JSON. @throws TypeError saying what is expected. */
type Reader = (raw: unknown) => unknown;

function integer(least: number, most: number): Reader {
  return (raw) => {
    const value = typeof raw === "string" && raw !== "" ? Number(raw) : raw;
    if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most) {
      throw new TypeError(`expected a whole number from ${least} to ${most}`);
    }
    return value;
  };
}

const share: Reader = (raw) => {
  const value = typeof raw === "string" && raw !== "" ? Number(raw) : raw;
  if (typeof value !== "number" || !(value >= 0 && value <= 1)) {
    throw new TypeError("expected a number from 0 to 1");
  }
  return value;
};

const flag: Reader = (raw) => {
  if (raw === true || raw === "1" || raw === "true") return true;
  if (raw === false || raw === "0" || raw === "false") return false;
  throw new TypeError("expected true or false");
};

const text: Reader = (raw) => {
  if (typeof raw !== "string") throw new TypeError("expected text");
  return raw;
};

function oneOf(words: readonly string[]): Reader {
  return (raw) => {
    if (typeof raw === "string" && words.includes(raw)) return raw;
    throw new TypeError(`expected one of ${words.join(", ")}`);
  };
}

const TIME = integer(0, 3_600_000);
const TOKENS = integer(0, 10_000_000);

/** Every knob with its reader; a test holds it equal to the keys of {@link PLAIN}. */
const READERS: { readonly [K in keyof Behavior]: Reader } = {
  firstByteMs: TIME,
  paceMs: TIME,
  jitter: share,
  hold: flag,
  outputTokens: TOKENS,
  inputTokens: TOKENS,
  tokensPerChunk: integer(1, 1_000_000),
  bytesPerToken: integer(1, 16),
  overageTokens: TOKENS,
  errorStatus: integer(400, 599),
  errorType: text,
  errorMessage: text,
  retryAfterS: TIME,
  fault: oneOf(FAULTS),
  faultAfterTokens: TOKENS,
  stallMs: TIME,
  usage: oneOf(["real", "missing", "null", "zero"]),
  servedModel: text,
  datedModel: flag,
  serviceTier: text,
  whenClientGone: oneOf(["finish", "stop"]),
  bill: oneOf(["full", "generated", "none"]),
  toolUse: oneOf(["auto", "always", "never"]),
  toolCalls: integer(1, 64),
  thinkingTokens: TOKENS,
  webSearches: integer(0, 100),
  refusal: flag,
  usageDeltas: integer(0, 100),
  splitBytes: integer(0, 1_048_576),
  caching: flag,
  tag: text,
};

const HEADER_PREFIX = "x-sim-";

/** `firstByteMs` is the header `x-sim-first-byte-ms`. */
export function headerOf(knob: keyof Behavior): string {
  return HEADER_PREFIX + knob.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

const KNOB_OF_HEADER = new Map(
  (Object.keys(READERS) as (keyof Behavior)[]).map((knob) => [headerOf(knob), knob]),
);

/** Knobs or, one line each, every mistake in them. */
export type ReadPatch =
  | { readonly patch: BehaviorPatch; readonly mistakes?: never }
  | { readonly mistakes: readonly string[]; readonly patch?: never };

/** Reads knobs from a JSON object; `null` puts a knob back to the vendor's rules. */
export function readPatch(json: unknown): ReadPatch {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    return { mistakes: ["expected an object of knobs"] };
  }
  const entries = Object.entries(json).map(([name, raw]) => [name, name, raw] as const);
  return collect(entries);
}

/** Reads the `x-sim-…` headers of a request; `undefined` when there are none. */
export function readHeaders(headers: NodeJS.Dict<string | string[]>): ReadPatch | undefined {
  const entries: (readonly [string, string, unknown])[] = [];
  for (const name in headers) {
    if (!name.startsWith(HEADER_PREFIX)) continue;
    entries.push([name, KNOB_OF_HEADER.get(name) ?? name, headers[name]]);
  }
  return entries.length === 0 ? undefined : collect(entries);
}

function collect(entries: Iterable<readonly [string, string, unknown]>): ReadPatch {
  const patch: Record<string, unknown> = {};
  const mistakes: string[] = [];
  for (const [shown, knob, raw] of entries) {
    if (!Object.hasOwn(READERS, knob)) {
      mistakes.push(`${shown}: no such knob; there are ${Object.keys(READERS).join(", ")}`);
      continue;
    }
    const name = knob as keyof Behavior;
    try {
      patch[name] = raw === null && PLAIN[name] === null ? null : READERS[name](raw);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      mistakes.push(`${shown}: ${error.message}, not ${JSON.stringify(raw)}`);
    }
  }
  return mistakes.length > 0 ? { mistakes } : { patch: patch as BehaviorPatch };
}
