/**
 * Goal: every knob can be set by header and by JSON, and a mistake in either is told. Method: each
 * knob of PLAIN in turn, so that a new one without a reader fails here.
 */
import { expect, test } from "vitest";
import { type Behavior, headerOf, PLAIN, readHeaders, readPatch } from "./behavior.ts";

const SAMPLES: Partial<Record<keyof Behavior, string | number>> = {
  jitter: 0.25,
  errorStatus: 529,
  fault: "stall",
  usage: "null",
  whenClientGone: "stop",
  bill: "full",
  toolUse: "never",
};

test("knobs: each is read the same from a header and from JSON", () => {
  for (const knob of Object.keys(PLAIN) as (keyof Behavior)[]) {
    const value = SAMPLES[knob] ?? (typeof PLAIN[knob] === "boolean" ? !PLAIN[knob] : 7);
    const expected = ["errorType", "errorMessage", "servedModel", "serviceTier", "tag"].includes(
      knob,
    )
      ? String(value)
      : value;
    expect(readPatch({ [knob]: expected })).toEqual({ patch: { [knob]: expected } });
    expect(readHeaders({ [headerOf(knob)]: String(value) })).toEqual({
      patch: { [knob]: expected },
    });
  }
});

test("knobs: null puts back what the vendor's rules decide, and only that", () => {
  expect(readPatch({ fault: null, outputTokens: null })).toEqual({
    patch: { fault: null, outputTokens: null },
  });
  expect(readPatch({ firstByteMs: null }).mistakes).toHaveLength(1);
});

test("knobs: every mistake is told with its name", () => {
  const { mistakes } = readPatch({ firstByteMs: -1, hold: "perhaps", fault: "fire", nope: 1 });
  expect(mistakes?.map((mistake) => mistake.split(":")[0])).toEqual([
    "firstByteMs",
    "hold",
    "fault",
    "nope",
  ]);
  expect(readHeaders({ "x-sim-nope": "1" })?.mistakes?.[0]).toMatch(/^x-sim-nope: no such knob/);
  expect(readHeaders({ "content-type": "application/json" })).toBeUndefined();
  expect(readPatch([]).mistakes).toHaveLength(1);
});
