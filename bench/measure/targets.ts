/** One figure the product wants, and what was found. */
export interface Target {
  readonly figure: string;
  readonly wanted: string;
  readonly found: number;
  readonly pass: boolean;
}

/** Judges a figure; none, when it was not measured. */
export function targetOf(
  figure: string,
  found: number | undefined,
  bound: { readonly most: number } | { readonly least: number },
): Target[] {
  if (found === undefined) return [];
  if ("most" in bound) {
    return [{ figure, found, pass: found <= bound.most, wanted: `at most ${bound.most}` }];
  }
  return [{ figure, found, pass: found >= bound.least, wanted: `at least ${bound.least}` }];
}
