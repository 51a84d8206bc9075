import { DEPTH_MAX } from "./estimate.ts";
import { type JsonShape, scanJson } from "./json-scan.ts";

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A body as an object, with the places of its values in the bytes. */
export type ParsedBody =
  | {
      readonly ok: true;
      readonly body: Readonly<Record<string, unknown>>;
      readonly shape: JsonShape;
    }
  | { readonly ok: false; readonly problems: readonly string[] };

/**
 * Parses a request body strictly: UTF-8 without a byte-order mark, an object, no key twice in one
 * object, not too deep. Whatever two readers could read differently is refused.
 */
export function parseBody(bytes: Buffer): ParsedBody {
  if (bytes.length === 0) return { ok: false, problems: ["body: is empty"] };
  let text: string;
  try {
    text = UTF8.decode(bytes);
  } catch {
    return { ok: false, problems: ["body: is not UTF-8"] };
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.slice(0, 200) : "";
    return { ok: false, problems: [`body: is not JSON: ${why}`] };
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    return { ok: false, problems: ["body: must be a JSON object"] };
  }
  const shape = scanJson(bytes);
  const problems: string[] = [];
  if (shape.depth > DEPTH_MAX) problems.push(`body: is nested deeper than ${DEPTH_MAX}`);
  for (const path of shape.repeated.slice(0, 20)) {
    problems.push(`${path.slice(0, 100)}: stands twice in one object`);
  }
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, body: json as Record<string, unknown>, shape };
}
