/**
 * Goal: what people read as money and time is true: nothing that is there reads as nothing, nothing is
 * off by more than its last digit, every digit can be had, and a time is the zone's.
 * Method: properties over all of int64, against plain arithmetic on whole numbers and Intl.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { INT64_MAX, INT64_MIN } from "../../ledger/money.ts";
import {
  age,
  basisPoints,
  chartDollars,
  clock,
  count,
  counted,
  exactMoney,
  hourMinute,
  instant,
  meterThousandths,
  money,
  moneyOfOne,
  moneyParts,
  percentOf,
  periodName,
  perSecond,
  shortId,
  sumOf,
  zoneName,
} from "./format.ts";

const amount = fc.bigInt({ max: INT64_MAX, min: INT64_MIN });
const small = fc.bigInt({ max: 20_000_000n, min: -20_000_000n });
const any = fc.oneof(amount, small);

/** What a text says, in nano-USD; undefined for one that only bounds. */
function read(text: string): bigint | undefined {
  const match = /^(\u2212?)\$([\d,]+)\.(\d+)$/.exec(text);
  if (match === null) return undefined;
  const [, sign, units = "", fraction = ""] = match;
  const value =
    BigInt(units.replaceAll(",", "")) * 1_000_000_000n + BigInt(fraction.padEnd(9, "0"));
  return sign === "" ? value : -value;
}
const abs = (value: bigint) => (value < 0n ? -value : value);

describe("money", () => {
  test("exact: every digit comes back", () => {
    fc.assert(
      fc.property(any, (value) => {
        expect(read(exactMoney(value))).toBe(value);
      }),
    );
  });

  test("total: within half a cent, and never nothing for what is there", () => {
    fc.assert(
      fc.property(any, (value) => {
        const shown = read(money(value));
        if (shown === undefined) {
          expect(abs(value)).toBeLessThan(10_000_000n);
          expect(value).not.toBe(0n);
          expect(money(value)).toBe(value > 0n ? "<$0.01" : ">\u2212$0.01");
        } else {
          expect(abs(shown - value)).toBeLessThanOrEqual(5_000_000n);
          expect(shown === 0n).toBe(value === 0n);
        }
      }),
    );
  });

  test("one decision: within half a millionth, and never nothing for what is there", () => {
    fc.assert(
      fc.property(any, (value) => {
        const { digits, zeros } = moneyParts(value);
        const shown = read(digits + zeros);
        if (shown === undefined) expect(abs(value)).toBeLessThan(1_000n);
        else {
          expect(abs(shown - value)).toBeLessThanOrEqual(500n);
          expect(shown === 0n).toBe(value === 0n);
          expect((digits + zeros).split(".")[1]).toHaveLength(6);
          expect(digits.split(".")[1]?.length).toBeGreaterThanOrEqual(2);
        }
      }),
    );
  });

  test("greater amounts never read as smaller ones", () => {
    fc.assert(
      fc.property(any, any, (a, b) => {
        const [low, high] = a < b ? [a, b] : [b, a];
        const [left, right] = [read(money(low)), read(money(high))];
        if (left !== undefined && right !== undefined) expect(left <= right).toBe(true);
      }),
    );
  });

  test("sums are of exact amounts", () => {
    fc.assert(
      fc.property(fc.array(any), (values) => {
        expect(sumOf(values.map(String))).toBe(values.reduce((sum, value) => sum + value, 0n));
      }),
    );
  });

  test.each([
    ["0", "$0.00", "$0.00", "$0.00"],
    ["1", "<$0.01", "<$0.000001", "$0.000000001"],
    ["34210001", "$0.03", "$0.03421", "$0.034210001"],
    ["9999999", "<$0.01", "$0.01", "$0.009999999"],
    ["41284113402118", "$41,284.11", "$41,284.113402", "$41,284.113402118"],
    ["-1250000000", "\u2212$1.25", "\u2212$1.25", "\u2212$1.25"],
    ["999995000000", "$1,000.00", "$999.995", "$999.995"],
  ])("%s nano-USD", (value, total, one, exact) => {
    expect([money(value), moneyOfOne(value), exactMoney(value)]).toEqual([total, one, exact]);
  });

  test("chart: the only float, and within a billionth of the amount", () => {
    fc.assert(
      fc.property(any, (value) => {
        expect(chartDollars(value)).toBeCloseTo(Number(value / 1_000_000_000n), -1);
      }),
    );
  });
});

describe("shares", () => {
  test("a percentage is 0 only for nothing, and 100 only for all", () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 10n ** 15n), fc.bigInt(1n, 10n ** 15n), (part, of) => {
        const text = percentOf(part, of);
        expect(text === "0%").toBe(part === 0n);
        if (part < of) expect(text).not.toBe("100%");
        const meter = meterThousandths(part, of);
        expect(meter >= 0 && meter <= 1_000).toBe(true);
        if (part >= of) expect(meter).toBe(1_000);
      }),
    );
  });

  test("a limit of nothing is used up, not free", () => {
    expect(percentOf(5n, 0n)).toContain("over");
    expect(meterThousandths(0n, 0n)).toBe(1_000);
  });

  test.each([
    ["0", "0%"],
    ["9050", "90.5%"],
    ["10000", "100%"],
    ["1234567", "12,345.7%"],
  ])("%s basis points", (points, text) => expect(basisPoints(points)).toBe(text));
});

describe("counts", () => {
  test("groups by thousands", () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 10n ** 18n), (value) => {
        expect(count(value)).toBe(new Intl.NumberFormat("en-US").format(value));
      }),
    );
  });

  test("a count agrees with its word", () => {
    expect([0, 1, 2].map((value) => counted(value, "agent"))).toEqual([
      "0 agents",
      "1 agent",
      "2 agents",
    ]);
  });

  test("a slow stream does not read as none", () => {
    expect([
      perSecond(0),
      perSecond(0.01),
      perSecond(0.25),
      perSecond(9.96),
      perSecond(1_204.4),
    ]).toEqual(["0", "<0.1", "0.3", "10.0", "1,204"]);
  });
});

describe("times", () => {
  const zones = ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata", "Pacific/Apia"];
  const time = fc.integer({ max: Date.UTC(2035, 0), min: Date.UTC(2015, 0) });

  test("a clock is the zone's, to the millisecond", () => {
    fc.assert(
      fc.property(time, fc.constantFrom(...zones), (ms, zone) => {
        const parts = new Intl.DateTimeFormat("en-GB", {
          hour: "numeric",
          hourCycle: "h23",
          minute: "numeric",
          timeZone: zone,
        }).formatToParts(new Date(ms));
        const of = (type: string) => Number(parts.find((part) => part.type === type)?.value);
        const [hour, minute, second] = clock(new Date(ms).toISOString(), zone).split(":");
        expect([Number(hour), Number(minute)]).toEqual([of("hour"), of("minute")]);
        expect(second).toBe(((ms % 60_000) / 1_000).toFixed(3).padStart(6, "0"));
      }),
    );
  });

  test("an instant always names its zone", () => {
    fc.assert(
      fc.property(time, fc.constantFrom(...zones), (ms, zone) => {
        const text = instant(new Date(ms).toISOString(), zone);
        expect(text.endsWith(` ${zoneName(zone, ms)}`)).toBe(true);
      }),
    );
  });

  test("summer and winter have their own names", () => {
    expect(instant("2026-07-01T10:00:00.000Z", "Europe/Berlin")).toBe("1 Jul 2026, 12:00:00 CEST");
    expect(instant("2026-12-01T10:00:00.000Z", "Europe/Berlin")).toBe("1 Dec 2026, 11:00:00 CET");
    expect(hourMinute(Date.UTC(2026, 11, 1, 23, 59), "UTC")).toBe("23:59");
  });

  test.each([
    ["2026-11@Europe/Berlin", "Nov 2026"],
    ["2026@UTC", "2026"],
    ["ticket-4711", "ticket-4711"],
    ["auth_019aa5e1-7c00-7000-8000-000000000001", "this call"],
  ])("period %s", (period, text) => expect(periodName(period)).toBe(text));

  test.each([
    [-5, "0\u00a0s"],
    [59_999, "59\u00a0s"],
    [60_000, "1\u00a0min"],
    [7_200_000, "2\u00a0h"],
    [200_000_000, "2\u00a0d"],
  ])("an age of %s ms", (ms, text) => expect(age(ms)).toBe(text));
});

test("a long id keeps both ends", () => {
  expect(shortId("auth_019aa5e1-7c00-7000-8000-00000000abcd")).toBe("auth_019aa5e1…abcd");
  expect(shortId("run-1")).toBe("run-1");
});
