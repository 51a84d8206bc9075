/**
 * Goal: the prompt cache splits a prompt as the vendors do. Method: properties over random prompts
 * of a few segments, breakpoints and turns of a conversation, with a clock that is moved by hand.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Prompt, PromptBuilder } from "./prompt.ts";
import { PromptCache } from "./prompt-cache.ts";

const MINUTE_MS = 60_000;

function promptOf(parts: readonly (readonly [string, "5m" | "1h" | undefined])[]): Prompt {
  const prompt = new PromptBuilder(1);
  for (const [text, breakpoint] of parts) prompt.text("user:", text, 0, breakpoint);
  return prompt.build();
}

const part = fc.tuple(
  fc.constantFrom("a".repeat(10), "b".repeat(20), "c".repeat(5)),
  fc.constantFrom(undefined, undefined, "5m" as const, "1h" as const),
);

test("explicit: the buckets never exceed the prompt, and a repeat reads all that was cached", () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(part, { minLength: 1, maxLength: 8 }), { maxLength: 6 }),
      (prompts) => {
        const cache = new PromptCache(() => 0);
        for (const parts of prompts) {
          const prompt = promptOf(parts);
          const use = cache.explicit("key", prompt, 1);
          expect(use.read + use.write5m + use.write1h).toBeLessThanOrEqual(prompt.tokens);
          expect(Math.min(use.read, use.write5m, use.write1h)).toBeGreaterThanOrEqual(0);
          use.commit();
          const again = cache.explicit("key", prompt, 1);
          expect(again).toMatchObject({
            read: use.read + use.write5m + use.write1h,
            write5m: 0,
            write1h: 0,
          });
          expect(cache.explicit("other key", prompt, 1).read).toBe(0);
        }
      },
    ),
  );
});

test("explicit: nothing is read before the answer that writes it has begun", () => {
  const cache = new PromptCache(() => 0);
  const prompt = promptOf([["x".repeat(50), "5m"]]);
  cache.explicit("key", prompt, 1);
  expect(cache.explicit("key", prompt, 1)).toMatchObject({ read: 0, write5m: 50 });
});

test("explicit: a read renews the time to live, and time ends it", () => {
  let now = 0;
  const cache = new PromptCache(() => now);
  const prompt = promptOf([["x".repeat(50), "5m"]]);
  cache.explicit("key", prompt, 1).commit();
  for (let turn = 0; turn < 3; turn += 1) {
    now += 4 * MINUTE_MS;
    expect(cache.explicit("key", prompt, 1).read).toBe(50);
  }
  now += 5 * MINUTE_MS;
  expect(cache.explicit("key", prompt, 1).read).toBe(0);
});

test("explicit: a breakpoint looks back twenty segments and no further", () => {
  const cache = new PromptCache(() => 0);
  const head = [["h".repeat(30), "5m"]] as const;
  cache.explicit("key", promptOf(head), 1).commit();
  const tail = (length: number) => Array.from({ length }, () => ["t", undefined] as const);
  const near = promptOf([["h".repeat(30), undefined], ...tail(18), ["e", "5m"]]);
  const far = promptOf([["h".repeat(30), undefined], ...tail(19), ["e", "5m"]]);
  expect(cache.explicit("key", near, 1).read).toBe(30);
  expect(cache.explicit("key", far, 1).read).toBe(0);
});

test("implicit: reads are multiples of 128 from 1,024 on, never more than the common prefix", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 6_000 }),
      fc.integer({ min: 1, max: 3_000 }),
      (common, rest) => {
        const cache = new PromptCache(() => 0);
        const first = promptOf([["p".repeat(common) + "x".repeat(rest), undefined]]);
        const second = promptOf([["p".repeat(common) + "y".repeat(rest), undefined]]);
        cache.implicit("key", first, 1, MINUTE_MS).commit();
        const { read } = cache.implicit("key", second, 1, MINUTE_MS);
        expect(read % 128).toBe(0);
        // The key of a segment begins with its kind, five characters here.
        expect(read).toBeLessThanOrEqual(common + 5);
        expect(read === 0 ? common < 1_024 : read >= 1_024).toBe(true);
      },
    ),
  );
});

test("cache: holds no more than its bound, the oldest go first", () => {
  const cache = new PromptCache(() => 0, 3);
  const prompts = ["a", "b", "c", "d", "e"].map((name) => promptOf([[name, "1h"]]));
  for (const prompt of prompts) cache.explicit("key", prompt, 1).commit();
  expect(cache.size).toBe(3);
  expect(prompts.map((prompt) => cache.explicit("key", prompt, 1).read)).toEqual([0, 0, 1, 1, 1]);
});
