/** What the gateway said of one call, and how the call went for the agent. */
export interface Told {
  readonly agent: string;
  readonly run: string;
  /** `ok`, `left` (the agent closed the stream), or the gateway's code or the vendor's error type. */
  readonly result: string;
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  readonly outcome: string;
  readonly tier: string;
  readonly rule: string;
  readonly held: string;
  readonly ms: number;
  /** Milliseconds to wait before trying anything again, where the answer asks for it. */
  readonly retryAfterMs: number | undefined;
}

/** Who calls. */
export interface Caller {
  readonly agent: string;
  readonly run: string;
}

/** Reads the gateway's headers of an answer. */
export function toldBy(
  caller: Caller,
  headers: Headers | undefined,
  call: { readonly result: string; readonly status: number; readonly startedAt: number },
): Told {
  const read = (name: string) => headers?.get(`x-tarmac-${name}`) ?? "";
  const after = Number(headers?.get("retry-after") ?? Number.NaN);
  return {
    ...caller,
    result: call.result,
    status: call.status,
    outcome: read("outcome"),
    tier: read("tier"),
    rule: read("rule"),
    held: read("held"),
    ms: Math.round(performance.now() - call.startedAt),
    retryAfterMs: Number.isFinite(after) ? after * 1_000 : undefined,
  };
}

/** What an SDK throws for an answer with an error status, or without an answer. */
interface Thrown {
  readonly status?: number | undefined;
  readonly headers?: Headers | undefined;
  readonly error?: unknown;
}

/** Turns what an SDK threw into what was told; anything but the SDK's own errors is thrown on. */
export function toldByError(caller: Caller, error: Error & Thrown, startedAt: number): Told {
  const status = error.status ?? 0;
  const result = codeOf(error.error) ?? (status === 0 ? "no-answer" : `http-${status}`);
  return toldBy(caller, error.headers, { result, status, startedAt });
}

/**
 * The gateway's code, where it refused; else the vendor's type. The OpenAI SDK hands over the inner
 * error object, the Anthropic SDK the whole body, and `tarmac` may stand in either.
 */
function codeOf(body: unknown): string | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  const fields = body as Record<string, unknown>;
  for (const [place, name] of [
    ["tarmac", "code"],
    ["error", "type"],
  ] as const) {
    const inner = fields[place];
    if (typeof inner === "object" && inner !== null && name in inner) {
      return String((inner as Record<string, unknown>)[name]);
    }
  }
  return typeof fields["code"] === "string" ? fields["code"] : undefined;
}
