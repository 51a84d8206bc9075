/**
 * Goal: every refusal of the registry can be said on every surface, in the vendor's own envelope, with
 * the status of the contract; and the words tell a person which cap, by how much, and what to do.
 * Method: each code of the registry through each surface's envelope, and answers of the engine.
 */
import { describe, expect, test } from "vitest";
import type { DecidedAnswer } from "../actors/commands.ts";
import { REFUSAL_CODES, REFUSALS } from "../ledger/refusals.ts";
import { ProviderFault } from "./ports.ts";
import {
  bodyRefused,
  decidedRefused,
  engineRefused,
  FAULT_CODES,
  providerFailed,
  refused,
} from "./refusal.ts";
import { problemHeaders } from "./send-problem.ts";
import { anthropicSurface } from "./surfaces/anthropic/surface.ts";
import { openaiSurface } from "./surfaces/openai/surface.ts";
import { usd } from "./testing/workspace.ts";

const AUTH = "auth_01a20433-a18c-7a60-9c11-5a708a143f9e";

interface Envelope {
  readonly type?: string;
  readonly error: { readonly type: string; readonly message: string; readonly code?: string };
  readonly tarmac: Readonly<Record<string, unknown>>;
}

describe("envelopes", () => {
  test.each(REFUSAL_CODES)("render: %s in both vendors' envelopes", (code) => {
    const problem = refused(code, "Why and what to do.", { authorization: AUTH });
    expect(problem.status).toBe(REFUSALS[code].status);
    const tarmac = {
      code,
      authorization: AUTH,
      receipt: AUTH.replace("auth_", "rcpt_"),
      message: "Why and what to do.",
    };
    const anthropic = JSON.parse(anthropicSurface.renderProblem(problem)) as Envelope;
    expect(anthropic).toEqual({
      type: "error",
      error: { type: expect.stringMatching(/_error$/), message: "Why and what to do." },
      tarmac,
    });
    const openai = JSON.parse(openaiSurface.renderProblem(problem)) as Envelope;
    expect(openai).toEqual({
      error: { message: "Why and what to do.", type: expect.any(String), param: null, code },
      tarmac,
    });
  });

  test.each(REFUSAL_CODES)("headers: %s says whether a retry can help", (code) => {
    const headers = problemHeaders(refused(code, ""));
    const soon = REFUSALS[code].retry === "soon";
    expect(headers["x-should-retry"]).toBe(soon ? undefined : "false");
    expect(headers["retry-after"]).toBe(soon ? "1" : undefined);
  });

  test.each(FAULT_CODES)("render: the fault %s says what becomes of the money", (code) => {
    for (const outcome of ["none", "unknown"] as const) {
      const problem = providerFailed(new ProviderFault(code, outcome, "It broke."), AUTH);
      expect(problem.message).toMatch(outcome === "none" ? /given back/ : /settled at its hold/);
      expect(problem.status).toBe(code === "provider-timeout" ? 504 : 502);
    }
  });
});

describe("words", () => {
  const decided: DecidedAnswer = {
    kind: "decided",
    authorization: AUTH,
    config_seq: 2n,
    expires_ms: 0,
    held: usd("0"),
    outcome: "hold",
    reason: "monthly-cap",
    rule: "02",
    seq: 3n,
    state: "refused",
    failing: [
      { cap: "agent:bot/month", shortfall: usd("1.25") },
      { cap: "workspace:acme/month", shortfall: usd("0.25") },
    ],
  };

  test("say: which rule, which cap, by how much, what to do", () => {
    const { message, code, authorization } = decidedRefused(decided, "bot");
    expect({ code, authorization }).toEqual({ code: "monthly-cap", authorization: AUTH });
    expect(message).toBe(
      "Held by rule 02 (monthly-cap): cap agent:bot/month is short by $1.25 for the least this call may cost, and 1 more cap(s) do not fit. Wait for the next month or raise the cap with tarmac apply. Nothing was forwarded.",
    );
  });

  test("say: money that is only held comes back by itself (leak L)", () => {
    const { message } = decidedRefused({ ...decided, blocked_by: "holds" }, "bot");
    expect(message).toContain("held by calls in flight");
  });

  test("say: a policy rule by its words and place", () => {
    const policy_rule = { file: "policy.yaml", line: 7, source: "if pace > 90% then hold" };
    const { failing: _, ...rest } = decided;
    const { message } = decidedRefused(
      { ...rest, reason: "policy", rule: "00", policy_rule },
      "bot",
    );
    expect(message).toContain('"if pace > 90% then hold" (policy.yaml:7)');
  });

  test("say: every mistake of a body, malformed first", () => {
    const problem = bodyRefused(["a: is missing"], ["b: cannot be priced"]);
    expect(problem).toMatchObject({ code: "bad-request", field: "a" });
    expect(problem.message).toBe("a: is missing; b: cannot be priced");
    expect(bodyRefused([], ["tools[0].max_uses: must be given"])).toMatchObject({
      code: "unsupported",
      field: "tools[0].max_uses",
    });
  });

  test("say: what the engine says, with its problems", () => {
    const answer = {
      kind: "refused",
      code: "bad-request",
      message: "No.",
      problems: ["x: y"],
    } as const;
    expect(engineRefused(answer).message).toBe("No. (x: y)");
  });
});
