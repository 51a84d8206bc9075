/**
 * Goal: lines are hashed alike whoever hashes them, and wherever a chunk ends. Method: files on both
 * sides of the size from which a thread hashes are read, and compared with the plain hashes and tree.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TreeFrontier } from "../../ledger/merkle.ts";
import { sha256 } from "../../readmodel/node-crypto.ts";
import { HashedFile } from "./hashed-lines.ts";
import { lineHash } from "./line-hasher.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tarmac-hashed-"));
});

afterAll(() => rm(folder, { recursive: true }));

test.each([
  ["beside the reader", 10, true],
  ["beside the reader, without the last line feed", 10, false],
  ["in a thread", 300, true],
])("hash: %s", async (_name, count, isEnded) => {
  const lines = Array.from({ length: count }, (_, i) => `${i}`.repeat(15_000));
  const path = join(folder, `${count}-${isEnded}`);
  await writeFile(path, lines.join("\n") + (isEnded ? "\n" : ""));
  const file = await HashedFile.open(path, { sizes: [0n, 7n, 1_000n] });
  const read: { readonly hash: string; readonly text: string }[] = [];
  for await (const chunk of file.chunks()) {
    for (const { bytes, hash } of chunk) read.push({ hash, text: Buffer.from(bytes).toString() });
  }
  expect(read).toEqual(lines.map((text) => ({ hash: lineHash(text), text })));
  const { at, root } = await file.roots();
  const tree = new TreeFrontier(sha256);
  const roots = [tree.root()];
  for (const line of lines) {
    tree.append(Buffer.from(line));
    roots.push(tree.root());
  }
  expect(Buffer.from(root)).toEqual(roots.at(-1));
  expect([...at.keys()]).toEqual([0n, 7n]);
  expect(Buffer.from(at.get(7n) ?? [])).toEqual(roots[7]);
  await file.close();
});

test("hash: a file that is empty has the root of nothing", async () => {
  const path = join(folder, "empty");
  await writeFile(path, "");
  const file = await HashedFile.open(path, { sizes: [] });
  expect((await file.chunks().next()).done).toBe(true);
  expect((await file.roots()).root).toEqual(sha256(new Uint8Array(0)));
  await file.close();
});
