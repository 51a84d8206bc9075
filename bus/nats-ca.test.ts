/**
 * Goal: whom NATS connections trust is read once, and each mistake is named with what to do.
 * Method: references to files that are there, are not, or hold something else; URLs of both kinds.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { afterAll, expect, test } from "vitest";

import { parseNatsUrl } from "./connect.ts";
import { checkNatsUrl, readNatsCa } from "./nats-ca.ts";

const dir = mkdtempSync(join(tmpdir(), "tarmac-ca-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function file(name: string, text: string): string {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
}

const pem = rootCertificates.slice(0, 2).join("\n");

test("TARMAC_NATS_CA: is read where it names certificates, and is nothing where it is not set", () => {
  const problems: string[] = [];
  const reference = `file:${file("ca.pem", pem)}`;
  expect(readNatsCa({ TARMAC_NATS_CA: reference }, problems)).toBe(pem);
  expect(readNatsCa({}, problems)).toBeUndefined();
  expect(readNatsCa({ TARMAC_NATS_CA: "" }, problems)).toBeUndefined();
  expect(problems).toEqual([]);
});

test.each([
  ["a path without file:", "/etc/ca.pem", /must be like file:/],
  ["a file that is not there", `file:${join(dir, "none")}`, /none cannot be used \(ENOENT/],
  ["no certificate", `file:${file("key", "secret")}`, /it holds no certificate in PEM/],
  [
    "a broken one",
    `file:${file("broken", pem.replace(/\n.{20}/, "\nAAAAAAAAAAAAAAAAAAAA"))}`,
    /broken cannot be used/,
  ],
])("TARMAC_NATS_CA: %s is refused", (_what, reference, words) => {
  const problems: string[] = [];
  expect(readNatsCa({ TARMAC_NATS_CA: reference }, problems)).toBeUndefined();
  expect(problems).toEqual([expect.stringMatching(words)]);
  expect(problems[0]).not.toContain("secret");
});

test("URL: tls:// encrypts, trusts the certificates given, and names servers by name", () => {
  const url = "tls://node:p@nats-1:4222,tls://node:p@nats-2";
  expect(parseNatsUrl(url, "n")).toMatchObject({ servers: "nats-1:4222,nats-2:4222", tls: {} });
  expect(parseNatsUrl(url, "n", pem).tls).toEqual({ ca: pem });
  expect(parseNatsUrl("nats://node:p@nats-1", "n").tls).toBeUndefined();
});

test.each([
  ["tls://u:p@nats-1,nats://u:p@nats-2", undefined, /all servers with tls:\/\//],
  ["nats://u:p@nats-1", pem, /begin with tls:\/\/ where TARMAC_NATS_CA is set/],
  ["tls://u:p@10.0.0.1:4222", pem, /by host name/],
  ["tls://u:p@[::1]:4222", pem, /by host name/],
])("URL: %s is refused", (url, ca, words) => {
  const problems: string[] = [];
  checkNatsUrl("TARMAC_NATS_URL", url, ca, problems);
  expect(problems).toEqual([expect.stringMatching(/^TARMAC_NATS_URL: must /)]);
  expect(problems[0]).toMatch(words);
});
