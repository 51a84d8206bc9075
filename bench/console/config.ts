/** The folders that programs are looked for in. */
export function searchPath(): readonly string[] {
  return (process.env["PATH"] ?? "").split(":");
}

/** Tools without which tests must fail instead of being skipped: TARMAC_TEST_REQUIRE=chromium,go. */
export function requiredTools(): readonly string[] {
  return (process.env["TARMAC_TEST_REQUIRE"] ?? "").split(",");
}
