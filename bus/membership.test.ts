/**
 * Goal: versions of Tarmac that run side by side read what the others say of themselves, and those that
 * could not go on with each other's journals are told apart, with what to do.
 * Method: values as the first version wrote them, as this one does, and with fields of one to come; the
 * first version's strict schema is kept here as it was.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { integer, object, parseJson, text } from "../ledger/schema.ts";
import {
  conflictOf,
  decodeLease,
  decodeMark,
  decodeMember,
  encodeLease,
  encodeMark,
  encodeMember,
  type MemberAbout,
  memberKey,
  parseLeasesKey,
} from "./membership.ts";

/** What the first version read a member with. */
const firstMember = object({ node: text(128), weight: integer(1, 1_000) });

const ABOUT: MemberAbout = {
  version: "2.0.0",
  worker: 1,
  shards: 16,
  run: "0a1b2c3d",
  startedAt: 1_790_000_000_000,
  journal: { reads: 2, writes: 1 },
  snapshot: { reads: 3, writes: 3 },
};

const MEMBER = { id: "n-1", node: "n", weight: 7, about: ABOUT };

describe("member", () => {
  test("reads: what it wrote", () => {
    const { value, note } = encodeMember(MEMBER);
    expect(decodeMember("n-1", value, note)).toEqual(MEMBER);
  });

  test("reads: one of the first version, which has no note", () => {
    const value = firstMember.write({ node: "old", weight: 3 });
    const member = { id: "old-0", node: "old", weight: 3, about: undefined };
    expect(decodeMember("old-0", value, undefined)).toEqual(member);
  });

  test("writes: a value that the first version reads", () => {
    expect(parseJson(firstMember, encodeMember(MEMBER).value)).toEqual({
      ok: true,
      value: { node: "n", weight: 7 },
    });
  });

  test("reads: one of a version to come, with fields that nobody knows yet", () => {
    const { value, note } = encodeMember(MEMBER);
    const later = (json: string) =>
      JSON.stringify({ ...(JSON.parse(json) as object), zone: "eu", since: { at: 1 } });
    expect(decodeMember("n-1", later(value), later(note))).toEqual(MEMBER);
  });

  test("reads: formats as the first where a version does not tell them", () => {
    const found = decodeMember("m", '{"node":"m","weight":1}', '{"version":"9.0.0"}');
    expect(found?.about).toMatchObject({
      version: "9.0.0",
      journal: { reads: 1, writes: 1 },
      snapshot: { reads: 1, writes: 1 },
    });
  });

  test.each(["", "{}", "null", "[1]", '{"node":"m"}', '{"node":"m","weight":0}', "not json"])(
    "passes over: %j is no member",
    (value) => {
      expect(decodeMember("m", value, undefined)).toBeUndefined();
    },
  );

  test("key: holds nothing that a key may not", () => {
    fc.assert(fc.property(fc.string({ minLength: 1 }), (id) => /^[\w-]*$/.test(memberKey(id))));
    expect(memberKey("node-1/0")).toBe("node-1-0");
  });
});

describe("lease", () => {
  test("reads: what it wrote", () => {
    const lease = { owner: "n/1-0a", member: "n-1", epoch: 2n ** 60n, phase: "owning" } as const;
    expect(decodeLease(encodeLease(lease))).toEqual(lease);
    const bare = { owner: "n/1-0a", member: undefined, epoch: undefined, phase: undefined };
    expect(decodeLease(encodeLease(bare))).toEqual(bare);
  });

  test("reads: one of the first version, which is the owner and nothing else", () => {
    expect(decodeLease("n/1-0a").owner).toBe("n/1-0a");
  });

  test("reads: any text as held by somebody, since what is not understood is not free", () => {
    fc.assert(fc.property(fc.string({ minLength: 1 }), (value) => decodeLease(value).owner !== ""));
  });

  test("reads: a phase of a version to come as none", () => {
    expect(decodeLease('{"owner":"o","phase":"resting","epoch":"x"}')).toEqual({
      owner: "o",
      member: undefined,
      epoch: undefined,
      phase: undefined,
    });
  });
});

describe("mark", () => {
  test("reads: what it wrote, and nothing else", () => {
    const mark = { member: "n-1", reason: "the journal went back" };
    expect(decodeMark(encodeMark(mark))).toEqual(mark);
    expect(decodeMark("n-1")).toBeUndefined();
  });

  test("keys: are told apart, and those of a version to come passed over", () => {
    expect(parseLeasesKey("12.1")).toEqual({ kind: "lease", shard: 12, era: 1 });
    expect(parseLeasesKey("ready.3.2")).toEqual({ kind: "ready", shard: 3, era: 2 });
    expect(parseLeasesKey("halted.0.1")).toEqual({ kind: "halted", shard: 0, era: 1 });
    for (const key of ["", "x", "resting.1.1", "1", "1.2.3"]) {
      expect(parseLeasesKey(key)).toBeUndefined();
    }
  });
});

describe("conflict", () => {
  const own = { version: "2.0.0", shards: 16, journal: { reads: 2, writes: 2 } };
  const other = (about: Partial<MemberAbout>) => ({
    ...MEMBER,
    about: { ...ABOUT, journal: { reads: 2, writes: 2 }, ...about },
  });

  test("none: where each reads what the other writes", () => {
    expect(conflictOf(own, other({}))).toBeUndefined();
    expect(conflictOf(own, other({ journal: { reads: 2, writes: 1 } }))).toBeUndefined();
    const first = { reads: 1, writes: 1 };
    expect(conflictOf({ ...own, journal: first }, { ...MEMBER, about: undefined })).toBeUndefined();
  });

  test("refuses: a downgrade below what the others write", () => {
    const conflict = conflictOf(own, other({ version: "3.1.0", journal: { reads: 3, writes: 3 } }));
    expect(conflict).toMatch(
      /node n \(Tarmac 3\.1\.0\) writes journal format 3.*reads up to 2.*start/,
    );
  });

  test("refuses: an upgrade that skips the version between", () => {
    expect(conflictOf(own, { ...MEMBER, about: undefined })).toMatch(
      /here writes journal format 2.*an earlier Tarmac\) reads up to 1.*first bring every node/,
    );
  });

  test("refuses: another number of shards", () => {
    expect(conflictOf(own, other({ shards: 4 }))).toMatch(/4 shards and this node to 16/);
  });
});
