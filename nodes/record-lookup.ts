import type { Fetched } from "../actors/turn.ts";
import type { RecordStore } from "./ports.ts";

/**
 * Reads the record of an authorization that memory has forgotten, or of the one that its idempotency
 * key belongs to. No lines: neither was ever seen.
 */
export async function fetchRecord(
  records: RecordStore,
  ws: string,
  wanted: { readonly authorization?: string; readonly idempotency?: string },
): Promise<Fetched> {
  const { authorization, idempotency } = wanted;
  if (authorization !== undefined) {
    const lines = await records.entriesOf(ws, authorization);
    if (lines.length > 0) return { authorization, lines };
  }
  if (idempotency !== undefined) {
    const sibling = await records.byIdempotency(ws, idempotency);
    if (sibling !== undefined) {
      return { authorization: sibling, lines: await records.entriesOf(ws, sibling) };
    }
  }
  return { authorization: authorization ?? "", lines: [] };
}
