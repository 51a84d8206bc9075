/**
 * Goal: the key that signs is rotated while everything runs: there is a moment when both sign, ledgers
 * say which key follows, nothing is restarted, and a step that is too early is refused.
 * Method: the real command on a real cluster; checkpoints are verified under the keys they claim.
 */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

import { parseCheckpoint } from "../../ledger/checkpoint.ts";
import { parseVkey, verifyNote } from "../../ledger/signed-note.ts";
import { ed25519Verify, sha256 } from "../../readmodel/node-crypto.ts";
import { openReadModel, type ReadModel } from "../../readmodel/read-model.ts";
import { Installation } from "./tarmac.ts";

const WS = "default";
let installation: Installation;
let model: ReadModel;

beforeAll(async () => {
  installation = await Installation.create({
    TARMAC_NODES: "1",
    TARMAC_LOG_HOST: "ledger.example",
  });
  await installation.up();
  const cluster = await readFile(join(installation.home, "cluster.json"), "utf8");
  model = openReadModel((JSON.parse(cluster) as { postgres_url: string }).postgres_url);
});

afterAll(async () => {
  await model.close();
  await installation.remove();
});

interface Listed {
  readonly keys: readonly {
    readonly id: string;
    readonly in_file: boolean;
    readonly active_in: readonly string[];
    readonly retired_in: readonly string[];
  }[];
  readonly vkeys: readonly string[];
}

async function listed(): Promise<Listed> {
  const { stdout } = await installation.run("log-key", "list", "--json");
  return JSON.parse(stdout) as Listed;
}

/** Who has signed the newest checkpoint, once it covers all there is. */
async function signers(): Promise<readonly string[]> {
  const row = (await model.workspaces()).find(({ ws }) => ws === WS);
  const found = await model.log.checkpointAtLeast(WS, row?.seq ?? 1n, 15_000);
  const keys = (found?.vkeys ?? []).map((vkey) => parseVkey(vkey, sha256));
  const { text, by } = await verifyNote(found?.note ?? "", keys, ed25519Verify);
  expect(parseCheckpoint(text).origin).toBe(`ledger.example/ws/${WS}`);
  expect(by).toHaveLength(keys.length);
  return found?.vkeys ?? [];
}

test("up: makes a key that only its owner can read, and signs with it", async () => {
  const file = await stat(join(installation.home, "keys", "log-key"));
  expect(file.mode & 0o777).toBe(0o600);
  const vkeys = await signers();
  expect(vkeys).toHaveLength(1);
  const { keys, vkeys: told } = await listed();
  expect(told).toEqual(vkeys);
  expect(keys).toMatchObject([{ active_in: [], in_file: true, retired_in: [] }]);
});

test("retire: refused while there is no other key", async () => {
  const { code, stderr } = await installation.run("log-key", "retire");
  expect(code).toBe(1);
  expect(stderr).toContain("is the only key");
});

test("rotate: both sign, ledgers name both, and a second rotation waits for the first", async () => {
  const [old] = await signers();
  const { code, stdout } = await installation.run("log-key", "rotate", "--json");
  expect(code).toBe(0);
  const rotated = JSON.parse(stdout) as { readonly key: string; readonly told: readonly string[] };
  expect(rotated.told).toContain(WS);
  await expect.poll(signers, { timeout: 20_000 }).toHaveLength(2);
  expect((await signers())[1]).toBe(old);
  const { keys } = await listed();
  expect(keys.map(({ id, in_file, active_in }) => [id, in_file, active_in.includes(WS)])).toEqual([
    [rotated.key, true, true],
    [keys[1]?.id, true, true],
  ]);
  const again = await installation.run("log-key", "rotate");
  expect(again.code).toBe(1);
  expect(again.stderr).toContain(`tarmac log-key retire ${keys[1]?.id}`);
});

test("retire: the old key ends by an entry that is in a checkpoint of the new one", async () => {
  const [fresh] = await signers();
  const { code, stderr } = await installation.run("log-key", "retire");
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const { keys } = await listed();
  expect(keys).toMatchObject([
    { in_file: true, retired_in: [] },
    { active_in: [], in_file: false },
  ]);
  expect(keys[1]?.retired_in).toContain(WS);
  // The entry itself may still be signed by both; what comes next is not.
  await installation.run("keys", "create", "--agent", "claude-agent");
  await expect.poll(signers, { timeout: 20_000 }).toEqual([fresh]);
  const table = await installation.run("log-key", "list");
  expect(table.stdout).toContain(fresh);
});

test("help: says what each step does; a key that is not there is named", async () => {
  const { stdout } = await installation.run("log-key", "--help");
  for (const word of ["list", "rotate", "retire"]) expect(stdout).toContain(word);
  const { code, stderr } = await installation.run("log-key", "retire", "0123456789abcdef");
  expect(code).toBe(2);
  expect(stderr).toContain("has no key 0123456789abcdef");
});
