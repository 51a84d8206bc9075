import { fromAbsolute } from "@internationalized/date";

/** The keys of the calendar month and year of a moment, as counters are named: `2026-11@Europe/Berlin`. */
export function periodKeys(
  timeZone: string,
  at: number,
): { readonly month: string; readonly year: string } {
  const { month, year } = fromAbsolute(at, timeZone);
  const name = String(year).padStart(4, "0");
  return {
    month: `${name}-${String(month).padStart(2, "0")}@${timeZone}`,
    year: `${name}@${timeZone}`,
  };
}
