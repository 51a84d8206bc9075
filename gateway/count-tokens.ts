/**
 * Token counts of OpenAI's own tokenizers, as a bound: in chunks, because byte-pair encoding is
 * quadratic in the length of an unbroken run (100 kB of spaces: 4.9 s whole, 12 ms in chunks of 1,024
 * characters, measured with gpt-tokenizer 4.0.0), and padded, because a chunk may cut a merge.
 */
export const ENCODINGS = ["cl100k_base", "o200k_base"] as const;
export type Encoding = (typeof ENCODINGS)[number];

/** UTF-16 code units of one chunk at most. */
const CHUNK_LENGTH = 1_024;

/** Counts one text; the library's function for one encoding. */
type Count = (text: string, options: { readonly disallowedSpecial: Set<string> }) => number;

/** Text that spells a special token is text here: the API shows it to the model as such. */
const AS_TEXT = { disallowedSpecial: new Set<string>() };

/** Loads the tables of an encoding: tens of milliseconds and megabytes, so only when they are needed. */
export async function loadEncoding(encoding: Encoding): Promise<Count> {
  const module =
    encoding === "o200k_base"
      ? await import("gpt-tokenizer/encoding/o200k_base")
      : await import("gpt-tokenizer/encoding/cl100k_base");
  return module.countTokens as Count;
}

/** Tokens of some texts at most: counted in chunks, plus 2 % and one for each chunk border. */
export function countAtMost(texts: readonly string[], count: Count): number {
  let tokens = 0;
  let chunks = 0;
  for (const text of texts) {
    for (const chunk of chunksOf(text)) {
      tokens += count(chunk, AS_TEXT);
      chunks++;
    }
  }
  return tokens + Math.ceil(tokens / 50) + chunks;
}

/** Cuts a text without cutting a surrogate pair, whose halves would count as three bytes each. */
function* chunksOf(text: string): Generator<string> {
  for (let start = 0; start < text.length; ) {
    let end = Math.min(start + CHUNK_LENGTH, text.length);
    const last = text.charCodeAt(end - 1);
    if (end < text.length && last >= 0xd800 && last <= 0xdbff) end--;
    yield text.slice(start, end);
    start = end;
  }
}

/** Names of models by the encoding they use; a model that fits none cannot be counted. */
const O200K = /^(gpt-4o|gpt-4\.1|gpt-4\.5|gpt-5|gpt-oss|o1|o3|o4|chatgpt-4o)/;
const CL100K = /^(gpt-4|gpt-3\.5)/;

/**
 * The encodings that bound the tokens of every one of these models, or undefined when one of them is
 * not known to use either. Source: gpt-tokenizer 4.0.0, esm/modelsMap.js (2026-08-16).
 */
export function encodingsOf(models: readonly string[]): readonly Encoding[] | undefined {
  const encodings = new Set<Encoding>();
  for (const model of models) {
    if (O200K.test(model)) encodings.add("o200k_base");
    else if (CL100K.test(model)) encodings.add("cl100k_base");
    else return undefined;
  }
  return encodings.size === 0 ? undefined : [...encodings];
}
