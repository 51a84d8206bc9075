/**
 * Goal: what the README promises a new user. Method: the real command in an empty home: start, paste
 * the line it prints, look at the call from every side, stop, start again, kill everything, start again.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Installation, paste, type Up } from "./tarmac.ts";

let installation: Installation;
let up: Up;
let out: string;
let key: string;

beforeAll(async () => {
  installation = await Installation.create();
  out = await mkdtemp(join(tmpdir(), "tarmac-export-"));
  up = await installation.up();
  key = /key\s+(tarmac_pk_\S+)/.exec(up.banner)?.[1] ?? "";
}, 120_000);

afterAll(async () => {
  await installation.remove();
  await rm(out, { force: true, recursive: true });
});

/** The product's own example. */
const SUPPORT_TRIAGE = `agent: support-triage
cost_center: customer-support
priority: P0

caps:
  per_run: $5.00
  monthly: $60,000
  yearly:  $700,000

lane:
  provider: anthropic-bedrock
  family:   claude
  region:   us-east-1
  tiers:    [S, M, L, XL]

rules:
  - if pace > 90% then floor: L
`;

/** The `curl` of the banner, as it stands there. */
function curlLine(banner: string): string {
  return banner.slice(banner.indexOf("curl -si"), banner.indexOf("\n\nThen:"));
}

async function headSeq(): Promise<bigint> {
  const status = await installation.run("status", "--json");
  const engine = (JSON.parse(status.stdout) as { parts: { name: string; detail: string }[] }).parts;
  const detail = engine.find(({ name }) => name === "engine")?.detail ?? "";
  return BigInt(/(\d+) entries/.exec(detail)?.[1] ?? "0");
}

describe("the first five minutes", () => {
  let authorization = "";

  test("start: the curl it prints works as pasted, and the call is held and settled", async () => {
    const { stdout } = await paste(curlLine(up.banner));
    expect(stdout).toMatch(/^HTTP\/1.1 200/);
    expect(stdout).toMatch(/x-tarmac-outcome: (admit|throttle)/);
    expect(stdout).toMatch(/x-tarmac-settled: 0\.\d+/);
    authorization = /x-tarmac-authorization: (auth_\S+)/.exec(stdout)?.[1] ?? "";
    expect(authorization).not.toBe("");
  });

  test("status: says that a hold can be placed", async () => {
    const status = await installation.run("status");
    expect(status.stdout).toContain("A hold can be placed.");
    expect(status.code).toBe(0);
  });

  test("receipt and explain: show the call from decision to close", async () => {
    await expect
      .poll(async () => (await installation.run("receipt", authorization)).stdout, {
        timeout: 15_000,
      })
      .toContain("settle");
    const explained = await installation.run("explain", authorization);
    expect(explained.stdout).toContain("agent:claude-agent/month");
    expect(explained.stdout).toContain("← granted");
  });

  test("trigger over-cap: the call is refused with 402 and names the cap", async () => {
    const { code, stdout, stderr } = await installation.run("trigger", "over-cap");
    expect(stderr).toBe("");
    expect(code).toBe(0);
    expect(stdout).toContain("402");
    expect(stdout).toContain("per-run-cap");
  });

  test("trigger retry: the second call is not forwarded", async () => {
    const { stdout } = await installation.run("trigger", "retry");
    expect(stdout).toContain("already-settled");
  });

  test("trigger abort: what was used is settled though the client left", async () => {
    const { stdout } = await installation.run("trigger", "abort");
    expect(stdout).toContain('"state":"settled"');
  });

  test("export and verify: the ledger checks out, and one flipped byte is named", async () => {
    const exported = await installation.run("export", "--out", out, "--json");
    expect(exported.stderr).toBe("");
    expect(exported.code).toBe(0);
    const vkey = (await readFile(join(out, "vkey"), "utf8")).trim();
    const verified = await installation.run("verify", out, "--vkey", vkey);
    expect(verified.stdout).toMatch(/^OK \d+ entries, root /);
    expect(verified.stderr).not.toContain("whose keys these are");
    const path = join(out, "ledger.jsonl");
    const lines = (await readFile(path, "utf8")).split("\n");
    lines[4] = (lines[4] as string).replace(/"salt":"./, '"salt":"x');
    await writeFile(path, lines.join("\n"));
    const damaged = await installation.run("verify", out);
    expect(damaged.stdout).toMatch(/^BAD entry 5: changed: /);
    expect(damaged.code).toBe(1);
  });

  test("receipt --proof: a receipt proves itself with the key alone", async () => {
    const proof = join(out, "call.tlog-proof");
    const written = await installation.run("receipt", authorization, "--proof", proof);
    expect(written.stderr).toBe("");
    expect(written.stdout).toContain("which closed it");
    const vkey = (await readFile(join(out, "vkey"), "utf8")).trim();
    const verified = await installation.run("verify", proof, "--vkey", vkey);
    expect(verified.stdout).toMatch(/^OK entry \d+ \((release|settle)\) of \d+ in /);
  });

  test("export --period: a month proves itself without the rest", async () => {
    const month = join(out, "month");
    const asked = new Date().toISOString().slice(0, 7);
    const exported = await installation.run("export", "--period", asked, "--out", month);
    expect(exported.stderr).not.toContain("not exported");
    expect((await installation.run("verify", month)).stdout).toMatch(/^OK \d+ entries, root /);
  });

  test("apply: every mistake is reported with file and line, and nothing is applied", async () => {
    const file = join(installation.home, "bad.yaml");
    await writeFile(file, "agent: Bad Name\npriority: P9\ncaps:\n  monthly: lots\n");
    const before = await headSeq();
    const { code, stderr } = await installation.run("apply", "-w", "default", "-f", file);
    expect(code).toBe(1);
    for (const line of ["bad.yaml:1", "bad.yaml:2", "bad.yaml:4"]) expect(stderr).toContain(line);
    expect(await headSeq()).toBe(before);
  });

  test("apply: the product's own example loads unchanged; its lane's API is not spoken yet", async () => {
    const file = join(installation.home, "support-triage.yaml");
    await writeFile(file, SUPPORT_TRIAGE);
    const applied = await installation.run("apply", "-w", "default", "-f", file);
    expect(applied.stderr).not.toContain("mistake");
    expect(applied.stdout).toContain("1 agents");
    const made = await installation.run("keys", "create", "-a", "support-triage", "--json");
    const { key: secret } = JSON.parse(made.stdout) as { key: string };
    const line = curlLine(up.banner).replace(/x-api-key: [^']+/, `x-api-key: ${secret}`);
    const { stdout } = await paste(line);
    expect(stdout).toMatch(/^HTTP\/1.1 404/);
    expect(stdout).toContain('"code":"unsupported"');
  });

  test("keys revoke: the very next call is refused", async () => {
    const made = await installation.run("keys", "create", "-a", "claude-agent", "--json");
    const { key: secret, key_id: id } = JSON.parse(made.stdout) as { key: string; key_id: string };
    const line = curlLine(up.banner).replace(/x-api-key: [^']+/, `x-api-key: ${secret}`);
    expect((await paste(line)).stdout).toMatch(/^HTTP\/1.1 200/);
    expect((await installation.run("keys", "revoke", id)).code).toBe(0);
    expect((await paste(line)).stdout).toMatch(/^HTTP\/1.1 401/);
    expect((await installation.run("keys", "list")).stdout).toContain("revoked");
  });

  test("Ctrl-C: leaves no process behind, and a second start carries on", async () => {
    const before = await headSeq();
    up.child.kill("SIGINT");
    expect(await up.exited).toBe(0);
    expect(await installation.untilGone(5_000)).toEqual([]);
    up = await installation.up();
    expect(up.banner).toContain(key);
    expect((await paste(curlLine(up.banner))).stdout).toMatch(/^HTTP\/1.1 200/);
    expect(await headSeq()).toBeGreaterThan(before);
  });

  test("kill -9 of the supervisor: everything ends, and a start carries on", async () => {
    const before = await headSeq();
    up.child.kill("SIGKILL");
    await up.exited;
    expect(await installation.untilGone(30_000)).toEqual([]);
    up = await installation.up();
    expect(await headSeq()).toBeGreaterThanOrEqual(before);
    expect((await paste(curlLine(up.banner))).stdout).toMatch(/^HTTP\/1.1 200/);
    const stopped = await installation.run("down");
    expect(stopped.code).toBe(0);
    expect(await installation.untilGone(5_000)).toEqual([]);
  });
});
