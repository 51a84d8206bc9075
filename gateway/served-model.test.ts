/**
 * Goal: a settle names the model served only where that is another one than was granted, and a
 * provider's headers come through without those of its connection.
 * Method: names as vendors report them, and headers as they send them.
 */
import { expect, test } from "vitest";
import type { Lane } from "../ledger/price-card.ts";
import { passedHeaders } from "./response-headers.ts";
import { servedModel } from "./served-model.ts";

const lane: Lane = {
  api: "openai",
  family: "gpt",
  provider: "openai",
  region: "global",
  prices: "openai",
  tiers: [
    { tier: "S", model: "gpt-mini", aliases: ["gpt-mini-latest"] },
    { tier: "M", model: "gpt", aliases: ["gpt-latest", "gpt-turbo"] },
  ],
};

test.each([
  [undefined, undefined],
  ["gpt", undefined],
  ["gpt-2026-08-07", undefined],
  ["gpt-20260807", undefined],
  ["gpt-turbo", undefined],
  ["gpt-mini", "gpt-mini"],
  ["gpt-mini-2026-08-07", "gpt-mini"],
  ["gpt-mini-latest", "gpt-mini"],
  ["gpt-pro", "gpt-pro"],
  ["gpt-2026-08-07-preview", "gpt-2026-08-07-preview"],
])("served: %s instead of gpt is named %s", (reported, named) => {
  expect(servedModel("gpt", reported, lane)).toBe(named);
});

test("headers: the vendor's own pass; cookies, connection and forged ones do not", () => {
  const headers = {
    "content-type": "application/json",
    "request-id": "req_1",
    "retry-after": "3",
    "anthropic-ratelimit-requests-remaining": "7",
    "content-length": "12",
    "transfer-encoding": "chunked",
    connection: "close",
    "set-cookie": ["a=b"],
    "x-tarmac-settled": "0.00",
  };
  expect(Object.keys(passedHeaders(headers))).toEqual([
    "content-type",
    "request-id",
    "retry-after",
    "anthropic-ratelimit-requests-remaining",
  ]);
});
