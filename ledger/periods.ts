/** How long a period cap counts. */
export const PERIODS = ["month", "year"] as const;
export type Period = (typeof PERIODS)[number];

/** A calendar period of a zone: half open, its bounds in UTC milliseconds since 1970. */
export interface PeriodBounds {
  /** `2026-11@Europe/Berlin` or `2026@Europe/Berlin`. */
  readonly key: string;
  /** First millisecond inside. */
  readonly start: number;
  /** First millisecond after. */
  readonly end: number;
}

/** The month and the year that a moment lies in. */
export interface Periods {
  readonly month: PeriodBounds;
  readonly year: PeriodBounds;
}

/**
 * Finds the periods of a moment in a zone. Zone data lives at the edge, so the core takes this as an
 * argument; entries carry the bounds, so that re-deciding needs no zone data.
 */
export type PeriodsAt = (timeZone: string, at: number) => Periods;
