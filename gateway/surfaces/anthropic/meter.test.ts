/**
 * Goal: what a Messages answer reports becomes the disjoint buckets it is billed by, however its bytes
 * arrive, and what was not reported to its end is never taken for measured.
 * Method: streams built from the SDK's types, read whole, split at every byte and cut after every byte.
 */
import { describe, expect, test } from "vitest";
import { StreamGate } from "../../stream-gate.ts";
import {
  BROKEN_STREAM,
  CACHED_STREAM,
  PLAIN_STREAM,
  SEARCH_STREAM,
} from "../../testing/anthropic-streams.ts";
import { meterMessage } from "./meter.ts";
import { AnthropicStream } from "./stream.ts";

function gate(): StreamGate {
  return new StreamGate(new AnthropicStream(), false);
}

/** Reads a stream in the pieces given; what passed before the end marker, and what was kept back. */
function read(pieces: readonly string[] | readonly Buffer[]) {
  const it = gate();
  const passed: Buffer[] = [];
  for (const piece of pieces) passed.push(...it.push(Buffer.from(piece as string)));
  const ended = it.ended;
  const kept = Buffer.concat(it.release()).toString();
  return { metered: it.metered(), passed: Buffer.concat(passed).toString(), kept, ended };
}

const EXPECTED = [
  ["plain", PLAIN_STREAM, { input: 25n, output: 15n }],
  [
    "cached: the split stays, growth is priced as the dearer write",
    CACHED_STREAM,
    { input: 3n, output: 90n, cache_read: 20_000n, cache_write_5m: 500n, cache_write_1h: 1_200n },
  ],
  ["server tools", SEARCH_STREAM, { input: 10_682n, output: 510n, web_search: 2n }],
] as const;

describe("meter a stream", () => {
  test.each(EXPECTED)("meter: %s, read whole", (_name, stream, usage) => {
    const { metered, passed, kept, ended } = read([stream]);
    expect(metered.usage).toEqual(usage);
    expect(metered.complete).toBe(true);
    expect(metered.model).toBe("claude-sonnet-5");
    expect(ended).toBe(true);
    expect(kept.startsWith("event: message_stop")).toBe(true);
    expect(passed + kept).toBe(stream);
  });

  test.each(EXPECTED)("meter: %s, split at every byte", (_name, stream, usage) => {
    const bytes = Buffer.from(stream);
    for (let at = 1; at < bytes.length; at++) {
      const { metered, passed, kept } = read([bytes.subarray(0, at), bytes.subarray(at)]);
      expect(metered.usage).toEqual(usage);
      expect(metered.complete).toBe(true);
      expect(passed + kept).toBe(stream);
      // The last byte always waits for the settle.
      expect(kept.length).toBeGreaterThan(0);
    }
  });

  test("meter: a stream in single bytes and with CR LF reads the same", () => {
    for (const stream of [CACHED_STREAM, CACHED_STREAM.replaceAll("\n", "\r\n")]) {
      const bytes = Buffer.from(stream);
      const { metered, passed, kept } = read(Array.from(bytes, (byte) => Buffer.from([byte])));
      expect(metered.usage).toEqual(EXPECTED[1][2]);
      expect(passed + kept).toBe(stream);
    }
  });

  test("meter: a stream cut after any byte before its last usage is not complete", () => {
    const bytes = Buffer.from(CACHED_STREAM);
    const lastWord = CACHED_STREAM.indexOf('"stop_reason":"end_turn"');
    const lineEnd = CACHED_STREAM.indexOf("\n", lastWord);
    for (let at = 0; at <= bytes.length; at++) {
      expect(read([bytes.subarray(0, at)]).metered.complete).toBe(at > lineEnd);
    }
  });

  test("meter: an error event after the head leaves the call unmeasured", () => {
    const { metered, kept } = read([BROKEN_STREAM]);
    expect(metered.complete).toBe(false);
    expect(kept).toBe("");
  });

  test("meter: an end marker inside a text does not end the stream", () => {
    const upTo = PLAIN_STREAM.indexOf("event: content_block_stop");
    const it = gate();
    it.push(Buffer.from(PLAIN_STREAM.slice(0, upTo)));
    expect(it.ended).toBe(false);
  });
});

describe("meter a whole message", () => {
  const usage = { input_tokens: 10, output_tokens: 5 };

  test("meter: buckets stand side by side", () => {
    const body = {
      model: "claude-opus-5-5",
      usage: {
        ...usage,
        cache_read_input_tokens: 7,
        cache_creation_input_tokens: 9,
        cache_creation: { ephemeral_5m_input_tokens: 9, ephemeral_1h_input_tokens: 0 },
        server_tool_use: { web_search_requests: 3 },
      },
    };
    expect(meterMessage(body)).toEqual({
      usage: { input: 10n, output: 5n, cache_read: 7n, cache_write_5m: 9n, web_search: 3n },
      complete: true,
      model: "claude-opus-5-5",
      offCard: undefined,
    });
  });

  test("meter: absent, null and broken usage is not zero; a reported zero is", () => {
    for (const absent of [
      undefined,
      null,
      {},
      { input_tokens: 1 },
      { ...usage, input_tokens: -1 },
    ]) {
      expect(meterMessage({ usage: absent })).toMatchObject({ usage: undefined, complete: false });
    }
    expect(meterMessage({ usage: { input_tokens: 1.5, output_tokens: 1 } }).usage).toBeUndefined();
    const zero = meterMessage({ usage: { input_tokens: 0, output_tokens: 0 } });
    expect(zero).toMatchObject({ usage: {}, complete: true });
  });

  test("meter: writes without a lifetime are priced as the dearer one (leak H)", () => {
    const body = { usage: { ...usage, cache_creation_input_tokens: 100 } };
    expect(meterMessage(body).usage).toMatchObject({ cache_write_1h: 100n });
  });

  test("meter: iterations that the top level leaves out are billed (leak H)", () => {
    const part = { input_tokens: 100, output_tokens: 20, cache_read_input_tokens: 0 };
    const body = {
      model: "m",
      usage: {
        ...usage,
        iterations: [
          { type: "compaction", ...part },
          { type: "message", model: "m", ...usage },
        ],
      },
    };
    expect(meterMessage(body).usage).toEqual({ input: 110n, output: 25n });
    const foreign = { ...part, type: "advisor_message", model: "other" };
    const advised = { model: "m", usage: { ...usage, iterations: [foreign] } };
    expect(meterMessage(advised).offCard).toContain("other");
  });

  test.each([
    [{ service_tier: "priority" }, "service_tier priority"],
    [{ service_tier: "batch" }, "service_tier batch"],
    [{ speed: "fast" }, "speed fast"],
    [{ inference_geo: "us" }, "inference_geo us"],
  ])("meter: %o is off the card (leak H)", (terms, name) => {
    expect(meterMessage({ usage: { ...usage, ...terms } }).offCard).toBe(name);
  });

  test("meter: standard terms and null are on the card", () => {
    const terms = { service_tier: "standard", speed: null, inference_geo: "not_available" };
    expect(meterMessage({ usage: { ...usage, ...terms } }).offCard).toBeUndefined();
  });
});
