/** Units of the last decimal place: `10^places`. */
function tenTo(places: number): bigint {
  return 10n ** BigInt(places);
}

const DECIMAL = /^(\d{1,15})(?:\.(\d{1,20}))?$/;

/**
 * Reads a plain decimal as a whole number of `10^-places`: `("0.0375", 6)` is 37,500n. `undefined` for
 * a sign, an exponent, or a digit beyond the last place: nothing is ever rounded here.
 */
export function scaledDecimal(text: string, places: number): bigint | undefined {
  const match = DECIMAL.exec(text);
  if (match === null) return undefined;
  const [, whole = "", fraction = ""] = match;
  const digits = fraction.replace(/0+$/, "");
  if (digits.length > places) return undefined;
  return BigInt(whole) * tenTo(places) + BigInt(digits.padEnd(places, "0") || "0");
}

/**
 * Dollars per million tokens, in decimal, as pico-USD per token: $1/Mtok is 10^12 / 10^6 pico-USD.
 * `undefined` when it does not come out whole.
 */
export function picoPerToken(usdPerMtok: string): bigint | undefined {
  return scaledDecimal(usdPerMtok, 6);
}

/** Dollars per thousand searches as pico-USD per search: $1 per 1,000 is 10^12 / 10^3 pico-USD. */
export function picoPerSearch(usdPerThousand: string): bigint | undefined {
  return scaledDecimal(usdPerThousand, 9);
}

/** Divides and rounds up: a derived price is never below what it stands for. */
export function divideUp(numerator: bigint, denominator: bigint): bigint {
  return (numerator + denominator - 1n) / denominator;
}
