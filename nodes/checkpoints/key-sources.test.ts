/**
 * Goal: a node starts with keys that can sign or says what is wrong with all of them, and never what
 * they are. Method: files and variables, good and bad.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

import { newLogKeyLine } from "../../readmodel/log-keys.ts";
import { ConfigRefused, readNodeConfig } from "../config.ts";
import { readKeySources } from "./key-sources.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tarmac-keys-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function read(env: NodeJS.ProcessEnv) {
  const problems: string[] = [];
  return { sources: readKeySources(env, problems), problems };
}

test("read: files and variables, the newest first; without the variable there are none", () => {
  const file = join(folder, "log-key");
  writeFileSync(file, `${newLogKeyLine()}\n`);
  const text = newLogKeyLine();
  const env = { TARMAC_LOG_KEY: `file:${file}, env:OLD_KEY`, OLD_KEY: text };
  expect(read(env)).toEqual({ problems: [], sources: [{ file }, { variable: "OLD_KEY", text }] });
  expect(read({})).toEqual({ problems: [], sources: [] });
});

test("refuse: every mistake at once, without a word of the secret", () => {
  const seed = newLogKeyLine();
  const bad = join(folder, "bad");
  writeFileSync(bad, `${seed}x\n`);
  const env = { TARMAC_LOG_KEY: `${seed},file:${bad},file:/nowhere/key,env:NO_KEY` };
  const { problems } = read(env);
  expect(problems).toHaveLength(4);
  expect(problems[0]).toContain("must be of file:PATH and env:NAME");
  expect(problems[1]).toContain("line 1 is not an Ed25519 seed");
  expect(problems[2]).toContain("tarmac log-key rotate --file PATH");
  expect(problems[3]).toContain("is not set");
  expect(problems.join()).not.toContain(seed.slice(0, 8));
});

test("config: the host is a name, and localhost until it is set", () => {
  const env = { TARMAC_NATS_URL: "nats://127.0.0.1", TARMAC_POSTGRES_URL: "postgres://h/d" };
  expect(readNodeConfig([], env).log).toEqual({ host: "localhost", keys: [] });
  const named = { ...env, TARMAC_LOG_HOST: "ledger.example.com/eu" };
  expect(readNodeConfig([], named).log.host).toBe("ledger.example.com/eu");
  for (const host of ["https://ledger.example.com", "two words", "a+b", "ends/"]) {
    expect(() => readNodeConfig([], { ...env, TARMAC_LOG_HOST: host })).toThrow(ConfigRefused);
  }
});
