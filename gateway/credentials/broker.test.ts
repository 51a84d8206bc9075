/**
 * Goal: a credential is found by its reference, kept for a minute, read again when it was refused, and
 * never spelled out in a message; what is dangerous is off.
 * Method: an environment, files and programs of the test's own.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { CredentialBroker } from "./broker.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tarmac-credentials-"));
});
afterAll(() => rm(folder, { recursive: true }));

function broker(allowExec = false, clock = new VirtualClock()) {
  const environment = { SOME_KEY: " sk-1 ", EMPTY: "", TARMAC_NATS_URL: "nats://u:p@h" };
  return { clock, broker: new CredentialBroker({ environment, allowExec }, clock) };
}

test("get: env, file, exec and passthrough", async () => {
  const { broker: it } = broker(true);
  expect(await it.get("env:SOME_KEY")).toEqual({ secret: "sk-1" });
  await writeFile(join(folder, "key"), "sk-2\n");
  expect(await it.get(`file:${join(folder, "key")}`)).toEqual({ secret: "sk-2" });
  expect(await it.get("exec:/bin/echo sk-3")).toEqual({ secret: "sk-3" });
  expect(await it.get("passthrough")).toBe("passthrough");
});

test.each([
  ["env:MISSING", /no MISSING/],
  ["env:EMPTY", /no EMPTY/],
  ["env:TARMAC_NATS_URL", /never sent on/],
  ["env:", /names nothing/],
  ["file:/nowhere/at/all", /cannot be read/],
  ["exec:/bin/echo sk-3", /TARMAC_ALLOW_EXEC_CREDENTIALS=1/],
  ["vault:secret/data/x", /not in this version/],
  ["aws-sts:arn", /not in this version/],
  ["sk-plain-secret", /a credential is env:NAME/],
])("get: %s says what to do", async (reference, words) => {
  await expect(broker().broker.get(reference)).rejects.toThrow(words);
});

test("get: a program that fails or prints two lines is no credential", async () => {
  const { broker: it } = broker(true);
  await expect(it.get("exec:/bin/false")).rejects.toThrow("/bin/false did not print");
  await writeFile(join(folder, "two"), "a\nb\n");
  await expect(it.get(`file:${join(folder, "two")}`)).rejects.toThrow("more than one line");
});

test("get: kept for a minute, read again after it or after a refusal", async () => {
  const { broker: it, clock } = broker();
  const path = join(folder, "rotating");
  const reference = `file:${path}`;
  await writeFile(path, "old");
  expect(await it.get(reference)).toEqual({ secret: "old" });
  await writeFile(path, "new");
  expect(await it.get(reference)).toEqual({ secret: "old" });
  it.forget(reference);
  expect(await it.get(reference)).toEqual({ secret: "new" });
  await writeFile(path, "newer");
  await clock.advance(61_000);
  expect(await it.get(reference)).toEqual({ secret: "newer" });
});
