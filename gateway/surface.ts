import type { Usage, UsageBound } from "../ledger/usage.ts";
import type { Span } from "./json-scan.ts";
import type { Problem } from "./refusal.ts";

/** A vendor's API that this gateway speaks. A lane is served only over its own one. */
export type SurfaceApi = "anthropic" | "openai";

/** A request body, read once: what is held for it and what may be changed in it. Survives a clone. */
export interface CallRequest {
  /** As the client asked for it. */
  readonly model: string;
  readonly stream: boolean;
  readonly bound: UsageBound;
  /** Where the top-level values stand in the body. */
  readonly spans: ReadonlyMap<string, Span>;
  /** Where a first field may be inserted. */
  readonly start: number;
  /** Largest output of one choice as asked for, with the field that says so. */
  readonly outputLimits: readonly { readonly field: string; readonly tokens: number }[];
  /** Values that {@link Surface.prepare} needs again. */
  readonly kept: Readonly<Record<string, unknown>>;
  /** Tokens of the bound that a tokenizer may tighten, and those that stay as they are. */
  readonly countable: boolean;
}

/** A body that is taken, or every reason why not. */
export type ReadBody =
  | { readonly ok: true; readonly call: CallRequest }
  | {
      readonly ok: false;
      readonly bad: readonly string[];
      readonly unsupported: readonly string[];
    };

/** What was granted, as far as the body must say it. */
export interface GrantedModel {
  readonly model: string;
  /** Largest output of the model in tokens; undefined when the gateway does not know it. */
  readonly outputMax: number | undefined;
}

/** What a provider reported so far. */
export interface Metered {
  /** Undefined when nothing was reported: absent is not zero. */
  readonly usage: Usage | undefined;
  /** The provider's last word: nothing will be added. */
  readonly complete: boolean;
  readonly model: string | undefined;
  /** Served under terms that the card has no price for, such as a priority tier. */
  readonly offCard: string | undefined;
}

export const NOT_METERED: Metered = {
  usage: undefined,
  complete: false,
  model: undefined,
  offCard: undefined,
};

/** Reads a vendor's stream line by line. */
export interface StreamReader {
  /**
   * Takes one line without its end. `end` is the vendor's end marker, `strip` is a line the client did
   * not ask for.
   */
  line(text: string): "end" | "pass" | "strip";
  metered(): Metered;
}

/** One vendor's API: everything that differs between vendors, behind one shape. */
export interface Surface {
  readonly api: SurfaceApi;
  /** Path of the metered route behind a provider's base URL. */
  readonly path: string;
  /** Reads and bounds a body. Pure. */
  readBody(bytes: Buffer): ReadBody;
  /** The body as it leaves: granted model, certain tier, real output limit. Other bytes as they came. */
  prepare(bytes: Buffer, call: CallRequest, grant: GrantedModel): Buffer;
  /** Reads the usage of a whole answer. */
  meterBody(json: unknown): Metered;
  streamReader(call: CallRequest): StreamReader;
  /** True when lines may have to be kept from the client. */
  strips(call: CallRequest): boolean;
  /** A problem in the vendor's own envelope. */
  renderProblem(problem: Problem): string;
  /** Request headers that are passed on, besides the credential. */
  readonly forwardedHeaders: readonly string[];
  /** Request headers that choose an account, passed on only beside the caller's own credential. */
  readonly accountHeaders: readonly string[];
  /** What becomes of a header that is passed on; undefined leaves it out. */
  headerValue(name: string, value: string): string | undefined;
  /** Query parameters that are passed on, as `name=value`. */
  readonly query: readonly string[];
  /** The header that carries a credential. */
  credentialHeaders(secret: string): Readonly<Record<string, string>>;
}
