/**
 * Goal: the secrets of docker-compose.yml are made once, stay as they are, and only their owner reads
 * them.
 * Method: make them in a new directory, again, and into a file that has some; compare what is there.
 */
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readLogKeys } from "../readmodel/log-keys.ts";
import { ensureComposeSecrets, withSecrets } from "./compose-secrets.ts";

let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "tarmac-compose-"));
});

afterAll(async () => {
  await rm(dir, { force: true, recursive: true });
});

test("compose-secrets: makes all, readable by the owner alone, and none twice", async () => {
  const path = join(dir, "first");
  const made = await ensureComposeSecrets(path);
  const text = await readFile(path, "utf8");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const values = made.map((name) => new RegExp(`^${name}=(.+)$`, "m").exec(text)?.[1]);
  expect(values).not.toContain(undefined);
  expect(new Set(values).size).toBe(values.length);
  expect(await ensureComposeSecrets(path)).toEqual([]);
  expect(await readFile(path, "utf8")).toBe(text);
});

test("compose-secrets: keeps what a file holds, and fills in what it lacks or has empty", async () => {
  const path = join(dir, "second");
  const held = "# mine\nTARMAC_POSTGRES_PASSWORD=chosen\nTARMAC_LOG_KEY_SEED=\nOTHER=1";
  await writeFile(path, held, { mode: 0o644 });
  const made = await ensureComposeSecrets(path);
  const text = await readFile(path, "utf8");
  expect(text.startsWith(`${held}\n`)).toBe(true);
  expect(made).not.toContain("TARMAC_POSTGRES_PASSWORD");
  expect(made).toContain("TARMAC_LOG_KEY_SEED");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test("compose-secrets: passwords need no quoting anywhere, the key is one that signs", () => {
  const { made, text } = withSecrets("");
  for (const name of made.filter((each) => each.includes("PASSWORD"))) {
    expect(text).toMatch(new RegExp(`^${name}=[a-z][A-Za-z0-9_-]{32}$`, "m"));
  }
  const seed = /^TARMAC_LOG_KEY_SEED=(.+)$/m.exec(text)?.[1] ?? "";
  expect(readLogKeys(seed)).toHaveLength(1);
});
