/**
 * Goal: key, agent, run and attributes are checked where it is decided, whatever a gateway believes.
 * Method: one wrong thing at a time; each is refused without an entry.
 */
import { describe, expect, test } from "vitest";
import type { Command } from "./commands.ts";
import { agent, World } from "./testing/world.ts";

describe("who asks", () => {
  const other = "key_fedcba9876543210";
  const key = { created_at: "x", hash: "cd".repeat(32), revoked: false };
  const world = new World({
    agents: { bot: agent(), other: agent() },
    changes: [
      { id: other, item: "key", value: { ...key, agent: "other" } },
      { id: "key_0000000000000000", item: "key", value: { ...key, revoked: true } },
    ],
  });

  test.each([
    [
      "an unknown key",
      { key: "key_1111111111111111" },
      "unauthenticated",
      "Key key_1111111111111111 is not known here.",
    ],
    [
      "a revoked key",
      { key: "key_0000000000000000" },
      "unauthenticated",
      "Key key_0000000000000000 is revoked here.",
    ],
    [
      "another agent's key",
      { key: other },
      "forbidden",
      `Key ${other} belongs to agent other and cannot speak for bot.`,
    ],
    [
      "an unknown agent",
      { agent: "nobody" },
      "unknown-agent",
      'Workspace acme has no agent "nobody". Add it with tarmac apply.',
    ],
    [
      "a run that is none",
      { run: "auth_1" },
      "bad-request",
      expect.stringContaining("run: must be 1 to 128"),
    ],
    [
      "too many attributes",
      {
        attributes: {
          a: "x".repeat(500),
          b: "y".repeat(512),
          c: "z".repeat(512),
          d: "ä".repeat(512),
          e: "x".repeat(8),
        },
      },
      "bad-request",
      "attributes: 2049 characters in names and values; 2048 at most.",
    ],
  ])("authorize: %s is refused without an entry", (_, change, code, message) => {
    const call = world.call(change);
    const result = world.turn(call);
    expect(result.entries).toEqual([]);
    expect(result.answer).toEqual({
      authorization: call.authorization,
      code,
      kind: "refused",
      message,
    });
    expect(result.waitsFor).toBe("block");
  });

  test("authorize: attributes that just fit are kept", () => {
    const attributes = {
      a: "x".repeat(500),
      b: "y".repeat(512),
      c: "z".repeat(512),
      d: "ä".repeat(512),
      e: "x".repeat(7),
    };
    world.authorize({ attributes });
    expect(world.last("authorize").attributes).toEqual(attributes);
  });

  test("authorize: a key of one agent speaks for it", () => {
    expect(world.authorize({ agent: "other", key: other }).outcome).toBe("admit");
  });

  test("authorize: before there is a workspace everything but inspect is refused without an entry", () => {
    const fresh = new World({ founded: false });
    const { authorization } = fresh.call();
    const commands: readonly Command[] = [
      fresh.call(),
      { authorizations: [], kind: "renew" },
      { authorization, final: true, kind: "settle", part: "1" },
      { authorization, kind: "void", reason: "x" },
    ];
    for (const command of commands) {
      const result = fresh.turn(command);
      expect(result.answer).toMatchObject({ code: "not-configured", kind: "refused" });
      expect(result.entries).toEqual([]);
    }
    expect(fresh.send({ kind: "inspect" })).toMatchObject({ kind: "inspected", seq: 0n });
  });
});
