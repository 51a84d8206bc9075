/**
 * RFC 8785 over anything that JSON.parse gives, written from its text (§3.2) and apart from the schemas:
 * keys by UTF-16 code units, no spaces, strings and numbers as ECMAScript writes them.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const byCodeUnits = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${byCodeUnits.map(([key, part]) => `${JSON.stringify(key)}:${canonicalJson(part)}`).join(",")}}`;
}
