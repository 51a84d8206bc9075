import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";

import { parseNatsUrl } from "./connect.ts";

const VARIABLE = "TARMAC_NATS_CA";
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/**
 * Reads `TARMAC_NATS_CA`, like `file:/etc/tarmac/nats-ca.pem`: the certificates of who vouches for the
 * NATS servers. What is wrong with it goes to `problems`.
 * @returns the certificates as PEM; undefined where the variable is not set, and the system's are trusted.
 */
export function readNatsCa(
  environment: Readonly<Record<string, string | undefined>>,
  problems: string[],
): string | undefined {
  const reference = environment[VARIABLE]?.trim();
  if (reference === undefined || reference === "") return undefined;
  const path = /^file:(.+)$/.exec(reference)?.[1];
  if (path === undefined) {
    problems.push(`${VARIABLE}: must be like file:/etc/tarmac/nats-ca.pem`);
    return undefined;
  }
  try {
    const pem = readFileSync(path, "utf8");
    const certificates = pem.match(CERTIFICATE) ?? [];
    if (certificates.length === 0) throw new Error("it holds no certificate in PEM");
    for (const certificate of certificates) new X509Certificate(certificate);
    return pem;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    problems.push(`${VARIABLE}: ${path} cannot be used (${reason})`);
    return undefined;
  }
}

/** Puts what is wrong with the URL in `variable` into `problems`. */
export function checkNatsUrl(
  variable: string,
  url: string,
  ca: string | undefined,
  problems: string[],
): void {
  try {
    parseNatsUrl(url, "", ca);
  } catch (error) {
    problems.push(`${variable}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
