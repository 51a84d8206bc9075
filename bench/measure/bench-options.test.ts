/**
 * Goal: a command line is read whole, or every mistake in it is named.
 * Method: lines as they would be typed.
 */
import { expect, test } from "vitest";
import { readBenchLine } from "./bench-options.ts";

test("read: nothing given means the lengths that the documentation's figures have", () => {
  const { name, options, problems } = readBenchLine(["recovery"]);
  expect(name).toBe("recovery");
  expect(problems).toEqual([]);
  expect(options).toMatchObject({ entries: 1_000_000, only: [], rounds: 5, servers: undefined });
});

test("read: what is given counts", () => {
  const { json, options } = readBenchLine(
    "scale --json --only moves,entries --entries 2000 --open-holds 50 --workspaces 20 --servers 3"
      .split(" ")
      .concat("--target", "other=http://127.0.0.1:1"),
  );
  expect(json).toBe(true);
  expect(options).toMatchObject({
    entries: 2_000,
    only: ["moves", "entries"],
    openHolds: 50,
    servers: 3,
    targets: [{ name: "other", url: "http://127.0.0.1:1" }],
    workspaces: 20,
  });
});

test("read: all mistakes are told at once", () => {
  const { problems } = readBenchLine(
    "x --seconds 0 --nodes 2 --shards 1 --servers 2 --rounds 0 --entries 1 --target y".split(" "),
  );
  expect(problems.map((text) => text.split(":")[0]).toSorted()).toEqual([
    "--entries",
    "--rounds",
    "--seconds",
    "--servers",
    "--shards",
    "--target",
  ]);
});
