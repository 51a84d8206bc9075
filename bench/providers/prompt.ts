/** A stretch of the prompt that is cached whole or not at all. */
export interface Segment {
  /** What makes two segments the same: kind, role and text. */
  readonly key: string;
  /** Tokens of this segment alone. */
  readonly tokens: number;
  /** A cache breakpoint stands at its end (Anthropic `cache_control`), with this time to live. */
  readonly breakpoint: "5m" | "1h" | undefined;
}

/** A prompt as it is billed: segments in the vendor's order, tools first. */
export interface Prompt {
  readonly segments: readonly Segment[];
  readonly tokens: number;
}

/**
 * Tokens that are not text. The sizes are measured ones by third parties for current models (image of
 * a few megapixels, page of a PDF); they only need to be plausible and the same every time.
 */
export const IMAGE_TOKENS = 1_568;
export const PDF_TOKENS = 2_480;

/** Tokens around each message: role and separators. */
export const MESSAGE_OVERHEAD = 4;

/** Collects segments and counts them; one byte a token counts text alone, without overheads. */
export class PromptBuilder {
  readonly #bytesPerToken: number;
  readonly #segments: Segment[] = [];
  #tokens = 0;

  constructor(bytesPerToken: number) {
    this.#bytesPerToken = bytesPerToken;
  }

  /** Adds text; `overhead` are tokens around it that no text accounts for. */
  text(kind: string, text: string, overhead = 0, breakpoint?: "5m" | "1h"): void {
    const around = this.#bytesPerToken === 1 ? 0 : overhead;
    this.#add(kind + text, tokensOf(text, this.#bytesPerToken) + around, breakpoint);
  }

  /** Adds something that is not text, of a fixed size. */
  media(kind: string, identity: string, tokens: number, breakpoint?: "5m" | "1h"): void {
    this.#add(kind + identity, tokens, breakpoint);
  }

  build(): Prompt {
    return { segments: this.#segments, tokens: this.#tokens };
  }

  #add(key: string, tokens: number, breakpoint: "5m" | "1h" | undefined): void {
    this.#segments.push({ key, tokens, breakpoint });
    this.#tokens += tokens;
  }
}

/** Tokens of a text: its UTF-8 bytes at so many bytes a token, rounded up. */
export function tokensOf(text: string, bytesPerToken: number): number {
  return Math.ceil(Buffer.byteLength(text) / bytesPerToken);
}

/** The end of a prompt: what differs between the turns of a conversation. */
export function promptEnd(prompt: Prompt): string {
  return prompt.segments
    .slice(-3)
    .map((segment) => segment.key)
    .join("\n");
}
