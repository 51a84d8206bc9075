/** Certificates for tests, made when they run: Node can read certificates but not make them. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import type { NatsTlsFiles } from "../nats-config.ts";
import { runCommand } from "../run-command.ts";
import { findTool } from "./tools.ts";

export const openssl = findTool("openssl", "apt-get install openssl");

/** Good for a server and for a client, as routes need it. Clients go by the name, routes by the address. */
const EXTENSIONS = `subjectAltName=DNS:localhost,IP:127.0.0.1
extendedKeyUsage=serverAuth,clientAuth
basicConstraints=critical,CA:FALSE
`;
const DAYS = "2";
const RUN = { timeoutMs: 30_000 };

/**
 * Makes an authority and a certificate of it for this machine, in `dir`.
 * @throws CommandFailed when openssl does not make them.
 */
export async function makeCertificates(dir: string): Promise<NatsTlsFiles> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const path = (name: string) => join(dir, name);
  const files = { caFile: path("ca.pem"), certFile: path("cert.pem"), keyFile: path("key.pem") };
  await writeFile(path("extensions"), EXTENSIONS);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const ca = ["req", "-x509", ...key, "-subj", "/CN=Test authority", "-days", DAYS];
  await runCommand("openssl", [...ca, "-keyout", path("ca.key"), "-out", files.caFile], RUN);
  const request = ["req", ...key, "-subj", "/CN=nats", "-keyout", files.keyFile];
  await runCommand("openssl", [...request, "-out", path("request.pem")], RUN);
  const sign = ["x509", "-req", "-in", path("request.pem"), "-days", DAYS, "-CAcreateserial"];
  const by = ["-CA", files.caFile, "-CAkey", path("ca.key"), "-extfile", path("extensions")];
  await runCommand("openssl", [...sign, ...by, "-out", files.certFile], RUN);
  return files;
}
