import { randomInt } from "node:crypto";

/** What the environment asks of these tests. */
export interface AcceptanceOptions {
  /** Of everything that is chosen at random; printed, so that a run can be told again. */
  readonly seed: number;
  /** Many more calls and rounds than `npm test` has time for. */
  readonly long: boolean;
  /** How long tests of faults go on, where they may be longer than a moment. */
  readonly minutes: number | undefined;
  /** Leave directories and logs of the machines behind. */
  readonly keep: boolean;
}

/**
 * Reads `TARMAC_TEST_SEED`, `TARMAC_TEST_MINUTES`, `TARMAC_TEST_LONG` and `TARMAC_TEST_KEEP`.
 * @throws Error when the seed is no whole number, or the minutes are none.
 */
export function acceptanceOptions(env: NodeJS.ProcessEnv = process.env): AcceptanceOptions {
  const given = env["TARMAC_TEST_SEED"];
  const seed = given === undefined ? randomInt(2 ** 32) : Number(given);
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
    throw new Error(`TARMAC_TEST_SEED: "${given}" is no whole number below 2^32`);
  }
  const time = env["TARMAC_TEST_MINUTES"];
  const minutes = time === undefined ? undefined : Number(time);
  if (minutes !== undefined && !(minutes > 0)) {
    throw new Error(`TARMAC_TEST_MINUTES: "${time}" is no time`);
  }
  const [keep, long] = [env["TARMAC_TEST_KEEP"] === "1", env["TARMAC_TEST_LONG"] === "1"];
  return { keep, long, minutes, seed };
}
