/**
 * Goal: a ledger that is no longer signed is seen by whoever asks for the status. Method: health files
 * as nodes write them, of this version and of one before.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { logsStatus } from "./log-status.ts";

test("status: names each halted ledger and why; what cannot be read says nothing", async () => {
  const home = await mkdtemp(join(tmpdir(), "tarmac-health-"));
  expect(await logsStatus(home)).toMatchObject({ ok: true });
  await mkdir(join(home, "nodes"));
  const write = (name: string, text: string) => writeFile(join(home, "nodes", name), text);
  await write("node-1.json", JSON.stringify({ halted_logs: [], node: "node-1" }));
  await write("node-2.json", JSON.stringify({ node: "node-2" }));
  await write("node-3.json", "");
  expect(await logsStatus(home)).toMatchObject({ ok: true });
  const halted_logs = [{ reason: "entry 7 is missing in Postgres", ws: "acme" }];
  await write("node-4.json", JSON.stringify({ halted_logs }));
  expect(await logsStatus(home)).toMatchObject({
    detail: expect.stringContaining("HALTED acme: entry 7 is missing in Postgres"),
    ok: false,
  });
  await rm(home, { recursive: true });
});
