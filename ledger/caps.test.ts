/**
 * Goal: the ids of caps and counters tell apart what they name.
 * Method: every scope and kind, there and back.
 */
import { expect, test } from "vitest";
import { assert, InvariantError, unreachable } from "./assert.ts";
import { CAP_KINDS, capId, capKind, counterKey, SCOPES } from "./caps.ts";

test("cap: its id tells scope, name and kind apart", () => {
  const ids = SCOPES.flatMap((scope) => CAP_KINDS.map((kind) => capId(scope, "a-b", kind)));
  expect(new Set(ids).size).toBe(SCOPES.length * CAP_KINDS.length);
  expect(capId("agent", "support-triage", "month")).toBe("agent:support-triage/month");
  for (const kind of CAP_KINDS) expect(capKind(capId("team", "x", kind))).toBe(kind);
});

test("counter: one for each cap and period", () => {
  expect(counterKey("agent:a/run", "r1")).toBe("agent:a/run|r1");
});

test("assert: a broken promise is a fault that names itself", () => {
  expect(() => assert(true, "fine")).not.toThrow();
  expect(() => assert(false, "broken")).toThrow(new InvariantError("broken"));
  expect(() => unreachable("purple" as never)).toThrow("unreachable: purple");
});
