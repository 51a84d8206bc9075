import type { AuthorizeEntry } from "../ledger/entries.ts";
import type { Period, PeriodBounds } from "../ledger/periods.ts";
import type { Report } from "./redecide-report.ts";

/**
 * Local midnight is at most so far from that of UTC, in ms: zones reach from −12 to +14 hours, and
 * where the clocks change at midnight it is an hour later.
 */
const ZONE_MS_MAX = 15 * 3_600_000;
const MONTH_KEY = /^(\d{4})-(0[1-9]|1[0-2])@/;
const YEAR_KEY = /^(\d{4})@/;

/**
 * The periods that a ledger has named so far. Bounds are facts of zone data; but they lie about where
 * their key says, hold the moment of the decision, and are the same wherever that key stands.
 */
export class PeriodBook {
  readonly #known = new Map<string, PeriodBounds>();

  /** Checks the periods of a decision in a workspace of this zone. */
  check(entry: AuthorizeEntry, zone: string, report: Report): void {
    for (const period of ["month", "year"] as const) {
      const bounds = entry[period];
      const known = this.#known.get(bounds.key);
      if (known === undefined) this.#learn(period, bounds, zone, report);
      else if (known.start !== bounds.start) report.sayInstant(`${period}.start`, known.start);
      else if (known.end !== bounds.end) report.sayInstant(`${period}.end`, known.end);
      const inside = bounds.start <= entry.at && entry.at < bounds.end;
      if (!inside) report.say(`${period}.key`, "the period that at lies in");
    }
  }

  #learn(period: Period, bounds: PeriodBounds, zone: string, report: Report): void {
    const { key } = bounds;
    const about = aboutUtc(period, key);
    if (about === undefined || key.slice(key.indexOf("@") + 1) !== zone) {
      return report.say(`${period}.key`, `a ${period} of zone ${zone}`);
    }
    const startsNear = Math.abs(bounds.start - about.start) <= ZONE_MS_MAX;
    const endsNear = Math.abs(bounds.end - about.end) <= ZONE_MS_MAX;
    if (!startsNear && !endsNear) return report.say(`${period}.key`, "the period of its bounds");
    if (!startsNear) return report.sayInstant(`${period}.start`, about.start, "about ");
    if (!endsNear) return report.sayInstant(`${period}.end`, about.end, "about ");
    this.#known.set(key, bounds);
  }
}

/** A period of UTC by its key, ms; `undefined` for what is no key. */
function aboutUtc(period: Period, key: string): { start: number; end: number } | undefined {
  const [, yearText, monthText] = (period === "month" ? MONTH_KEY : YEAR_KEY).exec(key) ?? [];
  if (yearText === undefined) return undefined;
  const year = Number(yearText);
  if (monthText === undefined) return { end: Date.UTC(year + 1, 0), start: Date.UTC(year, 0) };
  const month = Number(monthText) - 1;
  return { end: Date.UTC(year, month + 1), start: Date.UTC(year, month) };
}
