import type { Bill } from "./served.ts";

/** A piece of a stream. */
export interface Frame {
  readonly text: string;
  /** Output tokens generated once this frame is out; cumulative over all choices. */
  readonly output: number;
  /** `close` frames carry the stop reason and the usage, `end` is the end marker. */
  readonly phase: "open" | "content" | "close" | "end";
  /** What a reader knows of the usage after this frame; the most telling one sent counts. */
  readonly reports?: "complete" | "partial";
}

/** What a vendor's module has worked out for a request that it accepts. */
export interface Answer {
  readonly replyId: string | null;
  readonly model: string;
  readonly serviceTier: string | null;
  readonly stream: boolean;
  readonly outputMax: number | null;
  /** What is billed when the answer is generated to its end. */
  readonly bill: Bill;
  /** Name and value in turn, without content type and length. */
  readonly headers: readonly string[];
  /** The whole body of a plain answer. */
  readonly body: () => string;
  /** The frames of a stream, in order. */
  readonly frames: () => Iterable<Frame>;
  /** The vendor's error event for a stream that breaks. */
  readonly errorFrame: { readonly text: string; readonly type: string };
  /** Whether a plain body states the usage. */
  readonly reports: boolean;
  /** Called when the answer begins. */
  readonly begin: () => void;
}

/** An error answer. */
export interface Refusal {
  readonly status: number;
  readonly type: string;
  readonly headers: readonly string[];
  readonly body: string;
  readonly askedModel: string | null;
  readonly tag: string | null;
}
