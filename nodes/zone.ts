import { CalendarDateTime, fromAbsolute, toZoned } from "@internationalized/date";

import type { PeriodBounds, Periods, PeriodsAt } from "../ledger/periods.ts";

/** True for an IANA zone that this machine has data for. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/**
 * The first moment of a local month, ms since 1970. Where its midnight is skipped, the moment after
 * the gap; where it comes twice, the earlier: so months meet without a gap or an overlap.
 */
function startOfMonth(year: number, month: number, timeZone: string): number {
  const carried = month > 12 ? { year: year + 1, month: 1 } : { year, month };
  const midnight = new CalendarDateTime(carried.year, carried.month, 1);
  return toZoned(midnight, timeZone, "compatible").toDate().getTime();
}

/** The periods of a moment in a zone, found from zone data. @throws RangeError for an unknown zone. */
export function findPeriods(timeZone: string, at: number): Periods {
  const { year, month } = fromAbsolute(at, timeZone);
  const name = String(year).padStart(4, "0");
  const bounds = (key: string, start: number, end: number): PeriodBounds => ({
    key: `${key}@${timeZone}`,
    start,
    end,
  });
  return {
    month: bounds(
      `${name}-${String(month).padStart(2, "0")}`,
      startOfMonth(year, month, timeZone),
      startOfMonth(year, month + 1, timeZone),
    ),
    year: bounds(name, startOfMonth(year, 1, timeZone), startOfMonth(year + 1, 1, timeZone)),
  };
}

/**
 * Like {@link findPeriods}, with the last month of each zone remembered: nearly every decision of a
 * zone falls into the month of the one before.
 */
export function rememberingPeriods(): PeriodsAt {
  const last = new Map<string, Periods>();
  return (timeZone, at) => {
    const known = last.get(timeZone);
    if (known !== undefined && at >= known.month.start && at < known.month.end) return known;
    const periods = findPeriods(timeZone, at);
    last.set(timeZone, periods);
    return periods;
  };
}
