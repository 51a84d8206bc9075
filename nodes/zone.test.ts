/**
 * Goal: the periods of a moment are right in every zone, at every hour of a change of clocks.
 * Method: properties over random moments from 1990 to 2060 in zones with summer time, odd offsets and
 * skipped midnights, checked against `Intl`, which has the machine's own zone data; and a few dates by hand.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { findPeriods, isTimeZone, rememberingPeriods } from "./zone.ts";

const ZONES = [
  "UTC",
  "Europe/Berlin",
  "Europe/London",
  "America/New_York",
  "America/Sao_Paulo",
  "America/Asuncion",
  "America/Havana",
  "America/St_Johns",
  "Asia/Kolkata",
  "Asia/Kathmandu",
  "Asia/Beirut",
  "Asia/Gaza",
  "Australia/Lord_Howe",
  "Australia/Adelaide",
  "Pacific/Apia",
  "Pacific/Chatham",
  "Pacific/Kiritimati",
  "Africa/Casablanca",
  "Atlantic/Azores",
];

const zone = fc.constantFrom(...ZONES);
const moment = fc.integer({ min: Date.UTC(1990, 0), max: Date.UTC(2060, 0) });

/** `2026-11` as the machine's zone data says. */
function localMonth(timeZone: string, at: number): string {
  const format = new Intl.DateTimeFormat("en-CA", { timeZone, year: "numeric", month: "2-digit" });
  const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, value]));
  return `${parts.get("year")}-${parts.get("month")}`;
}

describe("findPeriods", () => {
  test("names the local month and year", () => {
    fc.assert(
      fc.property(zone, moment, (timeZone, at) => {
        const { month, year } = findPeriods(timeZone, at);
        const expected = localMonth(timeZone, at);
        expect(month.key).toBe(`${expected}@${timeZone}`);
        expect(year.key).toBe(`${expected.slice(0, 4)}@${timeZone}`);
      }),
    );
  });

  test("bounds: hold the moment, and change the month exactly there", () => {
    fc.assert(
      fc.property(zone, moment, (timeZone, at) => {
        const { month, year } = findPeriods(timeZone, at);
        expect(month.start).toBeLessThanOrEqual(at);
        expect(month.end).toBeGreaterThan(at);
        expect(year.start).toBeLessThanOrEqual(month.start);
        expect(year.end).toBeGreaterThanOrEqual(month.end);
        const name = month.key.slice(0, 7);
        expect(localMonth(timeZone, month.start)).toBe(name);
        expect(localMonth(timeZone, month.end - 1)).toBe(name);
        expect(localMonth(timeZone, month.start - 1)).not.toBe(name);
        expect(localMonth(timeZone, month.end)).not.toBe(name);
      }),
    );
  });

  test("bounds: the next month begins where this one ends", () => {
    fc.assert(
      fc.property(zone, moment, (timeZone, at) => {
        const { month, year } = findPeriods(timeZone, at);
        expect(findPeriods(timeZone, month.end).month.start).toBe(month.end);
        expect(findPeriods(timeZone, year.end).year.start).toBe(year.end);
        expect(findPeriods(timeZone, year.end).month.start).toBe(year.end);
      }),
    );
  });

  test("summer time: November 2026 in Berlin is in winter, October ends an hour later", () => {
    const { month } = findPeriods("Europe/Berlin", Date.UTC(2026, 10, 10));
    expect(month).toEqual({
      key: "2026-11@Europe/Berlin",
      start: Date.parse("2026-10-31T23:00:00Z"),
      end: Date.parse("2026-11-30T23:00:00Z"),
    });
    const october = findPeriods("Europe/Berlin", Date.UTC(2026, 9, 10)).month;
    expect(october.start).toBe(Date.parse("2026-09-30T22:00:00Z"));
  });

  test("skipped midnight: October 2017 began at one o'clock in Asunción", () => {
    const { month } = findPeriods("America/Asuncion", Date.UTC(2017, 9, 10));
    expect(month.start).toBe(Date.parse("2017-10-01T04:00:00Z"));
  });

  test("refuses an unknown zone", () => {
    expect(isTimeZone("Europe/Berlin")).toBe(true);
    expect(isTimeZone("Europe/Atlantis")).toBe(false);
    expect(() => findPeriods("Europe/Atlantis", 0)).toThrow(RangeError);
  });
});

test("rememberingPeriods: says what findPeriods says, in any order of questions", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(zone, moment), { maxLength: 20 }), (questions) => {
      const periodsAt = rememberingPeriods();
      for (const [timeZone, at] of questions) {
        expect(periodsAt(timeZone, at)).toEqual(findPeriods(timeZone, at));
      }
    }),
    { numRuns: 30 },
  );
});
