/**
 * Goal: quantities are read exactly or refused with the reason.
 * Method: round trips of any amount and percentage through their text; refusals by example.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { formatUsd, nanoUsd } from "../../ledger/money.ts";
import { readDollars, readDuration, readPercent, readPrice, readTokens } from "./amounts.ts";

test("dollars: any amount comes back from its text, to the nano-dollar", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), (value) => {
      const text = formatUsd(nanoUsd(value));
      expect(readDollars(text)).toEqual({ ok: true, value });
      expect(readDollars(`$${text}`)).toEqual({ ok: true, value });
    }),
  );
});

test("percent: any number of basis points comes back from its text", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 10n ** 12n }), (value) => {
      const fraction = (value % 100n).toString().padStart(2, "0");
      expect(readPercent(`${value / 100n}.${fraction}%`, 2)).toEqual({ ok: true, value });
    }),
  );
});

test("dollars: what is not an amount is refused with the reason", () => {
  const why = (text: string) => {
    const read = readDollars(text);
    return read.ok ? read.value : read.problem;
  };
  expect(why("-5")).toBe("must not be negative");
  expect(why("$-5")).toBe("must not be negative");
  expect(why("5.0000000001")).toBe("has more than nine decimals");
  expect(why("$60,00")).toBe("has a comma in the wrong place: write $60,000 or 60000");
  expect(why("1e3")).toBe("must be written out, without an exponent");
  expect(why("0x10")).toBe("must be a plain decimal amount like $5.00");
  expect(why("1_000")).toBe("must be a plain decimal amount like $5.00");
  expect(why("5 EUR")).toBe("must be in US dollars, like $5.00");
  expect(why("£5")).toBe("must be in US dollars, like $5.00");
  expect(why("9223372036.854775808")).toBe("is too large: the most is $9,223,372,036.85");
  expect(why("012")).toBe("must not start with a zero: write 12, not 012");
  for (const text of ["", "five", ".5", "5.", ".inf", ".nan", "+5", "5 000", "$", "true"]) {
    expect(why(text), text).toBe("must be an amount in US dollars, like $5.00 or $60,000");
  }
});

test("price: per million, per thousand and per one are the same price, in lowest terms", () => {
  const value = { pico_usd: 3_000_000n, per: 1n };
  expect(readPrice("$3.00/Mtok", "tokens")).toEqual({ ok: true, value });
  expect(readPrice("$0.003 / ktok", "tokens")).toEqual({ ok: true, value });
  expect(readPrice("$0.000003/tok", "tokens")).toEqual({ ok: true, value });
  expect(readPrice("$0.0000001/Mtok", "tokens")).toEqual({
    ok: true,
    value: { pico_usd: 1n, per: 10n },
  });
  expect(readPrice("$0/Mtok", "tokens")).toEqual({ ok: true, value: { pico_usd: 0n, per: 1n } });
  for (const text of [
    "3.00/Mtok",
    "$3",
    "$3/mtok",
    "$3/search",
    "$-3/Mtok",
    "$0.0000000000001/tok",
  ]) {
    expect(readPrice(text, "tokens").ok, text).toBe(false);
  }
});

test("duration and tokens: have a unit, and are whole", () => {
  expect(readDuration("30s")).toEqual({ ok: true, value: 30_000 });
  expect(readDuration("2 m")).toEqual({ ok: true, value: 120_000 });
  expect(readDuration("1h")).toEqual({ ok: true, value: 3_600_000 });
  expect(readDuration("30")).toEqual({ ok: false, problem: "needs a unit: 30s" });
  for (const text of ["1.5s", "-1s", "30 seconds", "PT30S"])
    expect(readDuration(text).ok).toBe(false);
  expect(readTokens("200,000")).toEqual({ ok: true, value: 200_000n });
  for (const text of ["0", "200k", "1.5", "2,00", "1e5"]) expect(readTokens(text).ok).toBe(false);
});
