/**
 * Goal: ids carry their time, name their receipt, and nothing else passes for one.
 * Method: round trips over random bytes and times; the example of RFC 9562 A.6; a table of near misses.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  authorizationId,
  authorizationOf,
  idTime,
  isAuthorizationId,
  NAME_PATTERN,
  RUN_PATTERN,
  receiptId,
} from "./ids.ts";

const bytes = fc.uint8Array({ maxLength: 16, minLength: 16 });
const times = fc.nat({ max: 2 ** 48 - 1 });
const RFC_9562 = "auth_017f22e2-79b0-7cc3-98c4-dc0c0c07398f";

describe("authorization ids", () => {
  test("make: any bytes and time make an id that carries the time", () => {
    fc.assert(
      fc.property(times, bytes, (time, random) => {
        const id = authorizationId(time, random);
        expect(isAuthorizationId(id)).toBe(true);
        expect(idTime(id)).toBe(time);
      }),
    );
  });

  test("make: other bytes make another id", () => {
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        // The version takes no bits of the bytes; the variant takes two, the end is not used.
        const used = (random: Uint8Array) =>
          [...random.slice(0, 9)].map((byte, i) => (i === 1 ? byte & 0xf3 : byte)).join();
        fc.pre(used(a) !== used(b));
        expect(authorizationId(1, a)).not.toBe(authorizationId(1, b));
      }),
    );
  });

  test("read: the example of RFC 9562 A.6 is of 22 February 2022, 19:22:22 UTC", () => {
    expect(isAuthorizationId(RFC_9562)).toBe(true);
    expect(new Date(idTime(RFC_9562)).toISOString()).toBe("2022-02-22T19:22:22.000Z");
  });

  test.each([
    RFC_9562.slice(5),
    RFC_9562.toUpperCase(),
    RFC_9562.replace("-7cc3", "-4cc3"),
    RFC_9562.replace("-98c4", "-c8c4"),
    `${RFC_9562}0`,
    `${RFC_9562}\n`,
    ` ${RFC_9562}`,
    RFC_9562.replaceAll("-", ""),
  ])("read: %j is not one", (text) => {
    expect(isAuthorizationId(text)).toBe(false);
  });

  test("receipt: names its authorization and back", () => {
    const receipt = receiptId(RFC_9562);
    expect(receipt).toBe("rcpt_017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    expect(authorizationOf(receipt)).toBe(RFC_9562);
    expect(authorizationOf(RFC_9562)).toBe(RFC_9562);
    expect(authorizationOf("rcpt_1")).toBeUndefined();
    expect(authorizationOf("")).toBeUndefined();
  });
});

describe("names", () => {
  test.each(["a", "support-triage", "0_a", "a".repeat(63)])("name: %j is one", (name) => {
    expect(NAME_PATTERN.test(name)).toBe(true);
  });

  test.each(["", "-a", "_a", "A", "a.b", "a b", "a|b", "a*", "a>", "ä", "a\n", "a".repeat(64)])(
    "name: %j is not one",
    (name) => {
      expect(NAME_PATTERN.test(name)).toBe(false);
    },
  );

  test.each(["1", "Nightly_2026-11.r:1", "a".repeat(128)])("run: %j is one", (run) => {
    expect(RUN_PATTERN.test(run)).toBe(true);
  });

  test.each(["", ".a", "auth_1", "a|b", "a/b", "a b", "a".repeat(129)])(
    "run: %j is not one",
    (run) => {
      expect(RUN_PATTERN.test(run)).toBe(false);
    },
  );
});
