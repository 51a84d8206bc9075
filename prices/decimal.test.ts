/**
 * Goal: dollars become pico-USD exactly or not at all.
 * Method: hand-made cases, and every whole number of micro-USD written out and read back.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { divideUp, picoPerSearch, picoPerToken, scaledDecimal } from "./decimal.ts";

describe("picoPerToken", () => {
  test.each([
    ["3", 3_000_000n],
    ["0.0375", 37_500n],
    ["18.75", 18_750_000n],
    ["0.00875", 8_750n],
    ["0.000001", 1n],
    ["0.50", 500_000n],
    ["0", 0n],
  ])("read: $%s per million is %s pico-USD per token", (text, pico) => {
    expect(picoPerToken(text)).toBe(pico);
  });

  test.each(["0.0000001", "0.30000000000000004", "1e-7", "-1", "1,000", "", ".5", "5.", "NaN"])(
    "read: refuses %s",
    (text) => {
      expect(picoPerToken(text)).toBeUndefined();
    },
  );

  test("read: gives back every price that was written in decimal", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 12n }), (micro) => {
        const digits = micro.toString().padStart(7, "0");
        expect(picoPerToken(`${digits.slice(0, -6)}.${digits.slice(-6)}`)).toBe(micro);
      }),
    );
  });
});

test("picoPerSearch: $10 per thousand is a cent each", () => {
  expect(picoPerSearch("10")).toBe(10_000_000_000n);
});

test("scaledDecimal: trailing zeros do not count as digits", () => {
  expect(scaledDecimal("2.5000000000", 1)).toBe(25n);
});

test("divideUp: is the least whole number that is not below", () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 10n ** 20n }),
      fc.bigInt({ min: 1n, max: 10n ** 9n }),
      (a, b) => {
        const up = divideUp(a, b);
        expect(up * b >= a && (up - 1n) * b < a).toBe(true);
      },
    ),
  );
});
