/**
 * Goal: whoever checks an export with tools of their own comes to what `tarmac verify` says, about sound
 * ones and about each kind of damage. Method: the verifier in Go, which shares no code with ours, is built
 * and run beside ours: on the export of a real cluster and its damaged copies, and on exports that a key of
 * the test has signed, so that signed histories can differ too.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ModelRun } from "../../actors/testing/model-run.ts";
import { operation } from "../../actors/testing/operations.ts";
import { findTool } from "../provision/testing/tools.ts";
import {
  damages,
  type ExportFiles,
  exportOf,
  ledgerLines,
  lineDamages,
  textOf,
  writeExport,
} from "../verify/testing/signed-export.ts";
import { CHECKPOINT_FILE, LEDGER_FILE, VKEY_FILE, verifyExport } from "../verify/verify-export.ts";
import { Installation, paste } from "./tarmac.ts";

const VERIFIER = fileURLToPath(new URL("../../verifier", import.meta.url));
const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));
const go = findTool("go", "apt-get install golang-go golang-golang-x-mod-dev");

let folder: string;
let independent: string;
/** What `go` needs in its environment here. */
let goEnv: NodeJS.ProcessEnv = {};

interface Said {
  readonly code: number;
  readonly line: string;
}

/** Runs a program and keeps its first line. */
function run(
  program: string,
  args: readonly string[],
  { cwd, env = {} }: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Said> {
  return new Promise((resolve) => {
    const options = { cwd, env: { ...process.env, ...env } };
    execFile(program, [...args], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      resolve({ code, line: (stdout + stderr).split("\n")[0] ?? "" });
    });
  });
}

/** `changed 7`, `forked`, or `sound <root>`, as a verifier's first line says it. */
function verdictIn({ code, line }: Said): string {
  const [, root] = /^OK \d+ entries, root (\S+)$/.exec(line) ?? [];
  if (root !== undefined && code === 0) return `sound ${root}`;
  const [, seq, atEntry] = /^BAD entry (\d+): ([a-z-]+): /.exec(line) ?? [];
  if (seq !== undefined && code === 1) return `${atEntry} ${seq}`;
  const [, atCheckpoint] = /^BAD checkpoint: ([a-z-]+): /.exec(line) ?? [];
  return atCheckpoint !== undefined && code === 1 ? atCheckpoint : `exit ${code}: ${line}`;
}

/** What both verifiers say of the same files. */
async function bothSayOf(
  files: ExportFiles,
  since: readonly string[] = [],
): Promise<{ readonly ours: string; readonly theirs: string }> {
  const own = await mkdtemp(join(folder, "export-"));
  await writeExport(own, files);
  const args: string[] = [];
  for (const [i, note] of since.entries()) {
    const path = join(own, `earlier-${i}`);
    await writeFile(path, note);
    args.push("--since", path);
  }
  const ours = await run(process.execPath, [MAIN, "verify", ...args, own]);
  const theirs = await run(independent, [...args, own]);
  return { ours: verdictIn(ours), theirs: verdictIn(theirs) };
}

describe.skipIf(go.path === undefined)(`two verifiers${go.missing}`, () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tarmac-verifiers-"));
    independent = join(folder, "verifier");
    goEnv = await build(independent);
  }, 180_000);

  afterAll(() => rm(folder, { force: true, recursive: true }));

  test("the tests that the other one brings pass", async () => {
    const said = await run(go.path as string, ["test", "-count=1", "."], {
      cwd: VERIFIER,
      env: goEnv,
    });
    expect(said).toMatchObject({ code: 0 });
  });

  describe("of what a key of the test has signed", () => {
    const lines = ledgerLines();

    test("agree on a sound export and its root", async () => {
      const { ours, theirs } = await bothSayOf(exportOf(lines));
      expect(ours).toMatch(/^sound /);
      expect(theirs).toBe(ours);
    });

    test.each(damages(lines).map((one) => [one.name, one] as const))(
      "agree on %s",
      async (_, { files, said, since }) => {
        expect(await bothSayOf(files, since)).toEqual({ ours: said, theirs: said });
      },
    );
  });

  describe("of what the actor writes, at random", () => {
    test("both find sound whatever the actor writes", async () => {
      const operations = fc.array(operation, { maxLength: 60, minLength: 20, size: "max" });
      await fc.assert(
        fc.asyncProperty(operations, async (all) => {
          const model = new ModelRun();
          model.run(all);
          const lines = model.world.entries.map(({ line }) => line);
          const own = await mkdtemp(join(folder, "random-"));
          await writeExport(own, exportOf(lines));
          const ledger = join(own, LEDGER_FILE);
          const task = { folder: own, ledger, onProgress: () => undefined, since: [], vkeys: [] };
          const ours = await verifyExport(task);
          expect(ours).toMatchObject({ ok: true });
          const theirs = verdictIn(await run(independent, [own]));
          expect(theirs).toBe(`sound ${ours.ok ? ours.root : ""}`);
        }),
        { numRuns: 30 },
      );
    });
  });

  describe("of what a cluster has exported", () => {
    let installation: Installation;
    let lines: readonly string[];
    let files: ExportFiles;
    let authorization = "";

    beforeAll(async () => {
      installation = await Installation.create();
      const { banner } = await installation.up();
      const curl = banner.slice(banner.indexOf("curl -si"), banner.indexOf("\n\nThen:"));
      for (let i = 0; i < 4; i += 1) {
        const { stdout } = await paste(curl);
        authorization = /x-tarmac-authorization: (auth_\S+)/.exec(stdout)?.[1] ?? "";
      }
      const out = join(folder, "cluster");
      const exported = await installation.run("export", "--out", out);
      expect(exported.code, exported.stderr).toBe(0);
      const read = (file: string) => readFile(join(out, file), "utf8");
      const ledger = await read(LEDGER_FILE);
      lines = ledger.trimEnd().split("\n");
      files = {
        [CHECKPOINT_FILE]: await read(CHECKPOINT_FILE),
        [LEDGER_FILE]: ledger,
        [VKEY_FILE]: await read(VKEY_FILE),
      };
    }, 180_000);

    afterAll(() => installation.remove());

    test("agree on the export as it is, and its root", async () => {
      const { ours, theirs } = await bothSayOf(files);
      expect(ours).toMatch(/^sound /);
      expect(theirs).toBe(ours);
    });

    test("agree on every kind of damage to its lines", async () => {
      for (const { lines: damaged, name, said } of lineDamages(lines, lines.length - 6)) {
        const both = await bothSayOf({ ...files, [LEDGER_FILE]: textOf(damaged) });
        expect({ name, ...both }).toEqual({ name, ours: said, theirs: said });
      }
    });

    test("agree on a receipt's proof, and on one that was changed", async () => {
      const path = join(folder, "call.tlog-proof");
      const written = await installation.run("receipt", authorization, "--proof", path);
      expect(written.code, written.stderr).toBe(0);
      const vkey = (files[VKEY_FILE] as string).trim().split("\n")[0] as string;
      const check = async () => [
        await run(process.execPath, [MAIN, "verify", "--vkey", vkey, path]),
        await run(independent, ["--vkey", vkey, path]),
      ];
      for (const { code, line } of await check()) {
        expect(line).toMatch(/^OK /);
        expect(code).toBe(0);
      }
      const proof = await readFile(path, "utf8");
      await writeFile(
        path,
        proof.replace(/\nindex (\d+)/, (_, at: string) => `\nindex ${BigInt(at) - 1n}`),
      );
      expect((await check()).map(verdictIn)).toEqual(["proof", "proof"]);
    });
  });
});

/** Builds the verifier: as a module, or where no proxy is to be had with the packages that Debian has. */
async function build(into: string): Promise<NodeJS.ProcessEnv> {
  const args = ["build", "-o", into, "."];
  const asModule = await run(go.path as string, args, { cwd: VERIFIER });
  if (asModule.code === 0) return {};
  const env = { GO111MODULE: "off", GOPATH: "/usr/share/gocode" };
  const asPackage = await run(go.path as string, args, { cwd: VERIFIER, env });
  if (asPackage.code !== 0) {
    throw new Error(`the verifier does not build: ${asModule.line}; ${asPackage.line}`);
  }
  return env;
}
