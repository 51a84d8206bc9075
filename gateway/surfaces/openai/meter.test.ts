/**
 * Goal: what a Chat Completions answer reports becomes the disjoint buckets it is billed by, however
 * its bytes arrive; the usage chunk that only the gateway asked for is kept from the client.
 * Method: streams built from the SDK's types, read whole, split at every byte and cut after every byte.
 */
import { describe, expect, test } from "vitest";
import { StreamGate } from "../../stream-gate.ts";
import {
  CUT_STREAM,
  DONE,
  STRIPPED_STREAM,
  USAGE_CHUNK,
  USAGE_STREAM,
} from "../../testing/openai-streams.ts";
import { meterCompletion } from "./meter.ts";
import { OpenaiStream } from "./stream.ts";

function read(pieces: readonly Buffer[], strip: boolean) {
  const it = new StreamGate(new OpenaiStream(strip), strip);
  const passed: Buffer[] = [];
  for (const piece of pieces) passed.push(...it.push(piece));
  const ended = it.ended;
  const kept = Buffer.concat(it.release()).toString();
  return { metered: it.metered(), passed: Buffer.concat(passed).toString(), kept, ended };
}

const USAGE = { input: 464n, cache_read: 1_024n, cache_write_5m: 512n, output: 300n };

describe("meter a stream", () => {
  test("meter: the cached part is inside the prompt, reasoning inside the output", () => {
    const { metered, passed, kept } = read([Buffer.from(USAGE_STREAM)], false);
    expect(metered).toMatchObject({ usage: USAGE, complete: true, model: "gpt-5.6-luna" });
    expect(kept).toBe(DONE);
    expect(passed + kept).toBe(USAGE_STREAM);
  });

  test.each([true, false])("meter: split at every byte (strip %s)", (strip) => {
    const bytes = Buffer.from(USAGE_STREAM);
    for (let at = 1; at < bytes.length; at++) {
      const { metered, passed, kept } = read([bytes.subarray(0, at), bytes.subarray(at)], strip);
      expect(metered.usage).toEqual(USAGE);
      expect(passed + kept).toBe(strip ? STRIPPED_STREAM : USAGE_STREAM);
      expect(kept.length).toBeGreaterThan(0);
    }
  });

  test("strip: in single bytes and with CR LF, exactly the usage chunk is missing (leak E)", () => {
    for (const end of ["\n", "\r\n", "\r"]) {
      const bytes = Buffer.from(USAGE_STREAM.replaceAll("\n", end));
      const { passed, kept } = read(
        Array.from(bytes, (byte) => Buffer.from([byte])),
        true,
      );
      expect(passed + kept).toBe(STRIPPED_STREAM.replaceAll("\n", end));
    }
  });

  test("strip: a chunk with usage and choices passes", () => {
    const both = USAGE_CHUNK.replace(
      '"choices":[]',
      '"choices":[{"index":0,"delta":{"content":"x"}}]',
    );
    const { passed, metered } = read([Buffer.from(both)], true);
    expect(passed).toBe(both);
    expect(metered.usage).toEqual(USAGE);
  });

  test("meter: null usage is absent, not zero; a stream without the chunk is not measured (leak E)", () => {
    const bytes = Buffer.from(CUT_STREAM);
    const { metered, ended } = read([bytes], true);
    expect(metered).toMatchObject({ usage: undefined, complete: false });
    expect(ended).toBe(false);
  });

  test("meter: a stream cut after any byte before the usage chunk ends is not complete", () => {
    const bytes = Buffer.from(USAGE_STREAM);
    const known = bytes.length - DONE.length - 1;
    for (let at = 0; at <= bytes.length; at++) {
      expect(read([bytes.subarray(0, at)], false).metered.complete).toBe(at >= known);
    }
  });
});

describe("meter a whole completion", () => {
  const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };

  test("meter: absent, null and broken usage is not zero; a reported zero is", () => {
    for (const absent of [
      undefined,
      null,
      {},
      { prompt_tokens: 1 },
      { ...usage, prompt_tokens: "1" },
    ]) {
      expect(meterCompletion({ usage: absent })).toMatchObject({
        usage: undefined,
        complete: false,
      });
    }
    const zero = { prompt_tokens: 0, completion_tokens: 0 };
    expect(meterCompletion({ usage: zero })).toMatchObject({ usage: {}, complete: true });
  });

  test.each(["priority", "flex", "scale", "auto"])(
    "meter: tier %s is off the card (leak H)",
    (tier) => {
      expect(meterCompletion({ usage, service_tier: tier }).offCard).toBe(`service_tier ${tier}`);
    },
  );

  test("meter: audio tokens are off the card", () => {
    const details = { completion_tokens_details: { audio_tokens: 1 } };
    expect(meterCompletion({ usage: { ...usage, ...details } }).offCard).toBe("audio tokens");
  });

  test("meter: a cached part above the prompt leaves no negative input", () => {
    const details = { prompt_tokens_details: { cached_tokens: 12 } };
    expect(meterCompletion({ usage: { ...usage, ...details } }).usage).toEqual({
      cache_read: 12n,
      output: 5n,
    });
  });
});
