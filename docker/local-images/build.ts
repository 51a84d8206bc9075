/**
 * Makes the images that everything else stands on, for a machine that reaches no registry of images:
 * `node docker/local-images/build.ts`, as root on Debian, with docker and debootstrap. It gives them
 * the names that Dockerfile and docker-compose.yml ask for, so that nothing has to be set.
 *
 * What it takes comes from Debian's packages, from npm and, for nats-server, from where the tests
 * have theirs. They are for trying out: the official images get fixes of their own.
 */
import { execFile } from "node:child_process";
import { copyFile, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { provisionConfig } from "../../cli/provision/config.ts";
import { findNatsServer } from "../../cli/provision/nats-binary.ts";

const BASE = "debian:bookworm-slim";
/** What the base trusts is what this machine trusts, such as the proxy it reaches Debian through. */
const CERTIFICATES = "etc/ssl/certs/ca-certificates.crt";
/** npm that knows `strict-allow-scripts`; the one the lock is made with. */
const NPM = "npm@11.19.1";

const run = promisify(execFile);
const here = fileURLToPath(new URL(".", import.meta.url));

/** Debian's smallest system, without what only its package manager has downloaded. */
async function makeBase(dir: string): Promise<void> {
  const root = join(dir, "base");
  await run("debootstrap", ["--variant=minbase", "--include=ca-certificates", "bookworm", root]);
  await rm(join(root, "var/cache/apt/archives"), { recursive: true, force: true });
  await rm(join(root, "var/lib/apt/lists"), { recursive: true, force: true });
  for (const unread of ["doc", "locale", "man"]) {
    await rm(join(root, "usr/share", unread), { recursive: true, force: true });
  }
  await copyFile(join("/", CERTIFICATES), join(root, CERTIFICATES));
  const archive = join(dir, "base.tar");
  await run("tar", ["-C", root, "-cf", archive, "."]);
  await run("docker", ["import", "--change", 'CMD ["bash"]', archive, BASE]);
}

/** Builds `<name>.Dockerfile` beside this file; `context` holds what it copies. */
async function build(name: string, tag: string, context: string): Promise<void> {
  const file = join(here, `${name}.Dockerfile`);
  await run("docker", ["build", "-f", file, "-t", tag, "--build-arg", `BASE=${BASE}`, context], {
    maxBuffer: 64 * 1024 * 1024,
  });
  process.stdout.write(`${tag}\n`);
}

/** Node to build with, and npm: the archives as npm has them. */
async function packNode(context: string): Promise<void> {
  const node = `node-linux-${process.arch}@${process.versions.node}`;
  await run("npm", ["pack", "--silent", "--pack-destination", context, NPM, node]);
  for (const name of await readdir(context)) {
    const plain = name.startsWith("npm-") ? "npm.tgz" : "node.tgz";
    await rename(join(context, name), join(context, plain));
  }
}

async function packNats(context: string): Promise<void> {
  const { cacheDir, natsServer } = provisionConfig();
  const { path } = await findNatsServer({
    cacheDir,
    ...(natsServer === undefined ? {} : { explicitPath: natsServer }),
    onProgress: (line) => process.stderr.write(`${line}\n`),
  });
  await copyFile(path, join(context, "nats-server"));
}

const dir = await mkdtemp(join(tmpdir(), "tarmac-images-"));
const contextOf = (name: string) => mkdtemp(join(dir, `${name}-`));
try {
  await makeBase(dir);
  process.stdout.write(`${BASE}\n`);
  const node = await contextOf("node");
  await packNode(node);
  await build("node", "node:24-bookworm-slim", node);
  const nats = await contextOf("nats");
  await packNats(nats);
  await build("nats", "nats:2.15.1-alpine", nats);
  await build("postgres", "postgres:18-bookworm", await contextOf("postgres"));
} finally {
  await rm(dir, { recursive: true, force: true });
}
