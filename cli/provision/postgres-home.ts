/**
 * Where Postgres keeps its data, and as whom it runs. It refuses to run as root, so root has two
 * ways, and an ordinary user needs neither:
 *
 * - In a user namespace of its own Postgres sees itself as user 65534, while for the file system it
 *   is still root. Nothing changes its owner, and a home of mode 0700 is no obstacle.
 * - Where namespaces are forbidden (Docker's default), as the user `postgres` or `nobody` of this
 *   machine, which then owns the data. What that user cannot reach is put where it can: the
 *   binaries under /var/cache/tarmac, the data under /var/lib/tarmac with a link in its place.
 */
import { createHash, randomBytes } from "node:crypto";
import { chmod, cp, mkdir, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";

import type { PostgresBinaries } from "./postgres-binaries.ts";
import { runCommand } from "./run-command.ts";

export interface PostgresHome {
  readonly binaries: PostgresBinaries;
  /** The data directory, which initdb makes. */
  readonly data: string;
  /** `<dir>/data`: the data directory itself, or a link to it. */
  readonly link: string;
  /** Put before a command that must not run as root. */
  readonly prefix: readonly string[];
  /** Given to a command that must not run as root, where the prefix does not see to it. */
  readonly user?: { readonly uid: number; readonly gid: number };
}

export interface PostgresHomeOptions {
  readonly dir: string;
  /** Replaces the environment of this process for the commands that look around. */
  readonly env?: NodeJS.ProcessEnv;
  /** Roots of what a service user can reach; /var/cache/tarmac and /var/lib/tarmac unless given. */
  readonly sharedCache?: string;
  readonly sharedData?: string;
}

const IN_NAMESPACE = ["unshare", "--user", "--map-user=65534", "--map-group=65534"] as const;
const PROBE_MS_MAX = 20_000;

/**
 * Chooses how Postgres can run here on `<dir>/data`, and makes its place ready.
 *
 * @throws Error when the data belongs to another user, or when root has no way at all.
 */
export async function preparePostgresHome(
  binaries: PostgresBinaries,
  options: PostgresHomeOptions,
): Promise<PostgresHome> {
  await mkdir(options.dir, { recursive: true, mode: 0o700 });
  const data = join(options.dir, "data");
  const owner = await stat(data).then(
    (found) => found.uid,
    () => undefined,
  );
  const self = process.getuid?.() ?? 0;
  if (self !== 0 || process.platform === "win32") {
    if (owner !== undefined && owner !== self) {
      throw new Error(
        `${data} belongs to user ${owner}, and this is user ${self}: run as that user, ` +
          "or set TARMAC_HOME to a directory of your own",
      );
    }
    return { binaries, data, link: data, prefix: [] };
  }
  let forbidden = "its data belongs to a service user";
  if (owner === undefined || owner === 0) {
    const reason = await whyNoNamespace(binaries, options);
    if (reason === undefined) return { binaries, data, link: data, prefix: IN_NAMESPACE };
    forbidden = reason;
  }
  return asServiceUser(binaries, options, owner, forbidden);
}

/** Why Postgres cannot run in a user namespace here; undefined when it can. */
async function whyNoNamespace(
  binaries: PostgresBinaries,
  options: PostgresHomeOptions,
): Promise<string | undefined> {
  const [command, ...args] = [...IN_NAMESPACE, "sh", "-c", REACHES, "sh"];
  return probe(command ?? "unshare", [...args, initdbOf(binaries), options.dir], options);
}

// Runs the binary named first and writes in the directory named second.
const REACHES = '"$1" --version >/dev/null && cd "$2" && test -w .';

async function probe(
  command: string,
  args: readonly string[],
  options: PostgresHomeOptions,
  user?: { readonly uid: number; readonly gid: number },
): Promise<string | undefined> {
  try {
    const env = options.env === undefined ? {} : { env: options.env };
    await runCommand(command, args, { timeoutMs: PROBE_MS_MAX, cwd: "/", ...env, ...user });
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

async function asServiceUser(
  binaries: PostgresBinaries,
  options: PostgresHomeOptions,
  owner: number | undefined,
  forbidden: string,
): Promise<PostgresHome> {
  const link = join(options.dir, "data");
  const user = await serviceUser(owner, forbidden, options);
  const runnable = await reachableBinaries(binaries, options, user);
  await chmod(options.dir, 0o711);
  const data = owner === undefined ? await placeOfData(options, user) : await realpath(link);
  if (owner === 0) {
    // Made in a namespace, before those were forbidden.
    await runCommand("chown", ["-R", `${user.uid}:${user.gid}`, data], { timeoutMs: 120_000 });
  }
  const enters = ["-c", '"$1" --version >/dev/null && cd "$2"', "sh", initdbOf(runnable)];
  const reached = owner === undefined ? dirname(data) : data;
  const reason = await probe("sh", [...enters, reached], options, user);
  if (reason !== undefined) {
    throw new Error(
      "Postgres refuses to run as root, and no other way works here.\n" +
        `  In a user namespace: ${forbidden}\n  As user ${user.uid}: ${reason}\n` +
        "Run as an ordinary user, put TARMAC_HOME under a directory all may enter, " +
        "or set TARMAC_POSTGRES_URL to use a Postgres of your own.",
    );
  }
  return { binaries: runnable, data, link, prefix: [], user };
}

/** The owner of the data, else `postgres`, else `nobody`: initdb wants a user with a name. */
async function serviceUser(
  owner: number | undefined,
  forbidden: string,
  options: PostgresHomeOptions,
): Promise<{ uid: number; gid: number }> {
  const names = owner === undefined || owner === 0 ? ["postgres", "nobody"] : [String(owner)];
  const env = options.env === undefined ? {} : { env: options.env };
  for (const name of names) {
    try {
      const uid = Number(await runCommand("id", ["-u", name], { timeoutMs: 5_000, ...env }));
      const gid = Number(await runCommand("id", ["-g", name], { timeoutMs: 5_000, ...env }));
      if (uid > 0 && gid > 0) return { uid, gid };
    } catch {
      // No such user: the next name.
    }
  }
  throw new Error(
    "Postgres refuses to run as root, and no other way works here.\n" +
      `  In a user namespace: ${forbidden}\n  As a service user: there is no ${names.join(" or ")}`,
  );
}

async function reachableBinaries(
  binaries: PostgresBinaries,
  options: PostgresHomeOptions,
  user: { uid: number; gid: number },
): Promise<PostgresBinaries> {
  const args = ["-c", '"$1" --version >/dev/null', "sh"];
  if ((await probe("sh", [...args, initdbOf(binaries)], options, user)) === undefined) {
    return binaries;
  }
  const cache = options.sharedCache ?? "/var/cache/tarmac";
  const root = join(cache, `postgres-${binaries.version}-${process.arch}`);
  const copied = { ...binaries, root };
  if ((await probe("sh", [...args, initdbOf(copied)], options, user)) === undefined) return copied;
  await mkdir(cache, { recursive: true, mode: 0o755 });
  const draft = `${root}.${process.pid}.${randomBytes(4).toString("hex")}`;
  try {
    await cp(binaries.root, draft, { recursive: true, verbatimSymlinks: true });
    await runCommand("chmod", ["-R", "a+rX", draft], { timeoutMs: 60_000 });
    await rm(root, { recursive: true, force: true });
    await rename(draft, root);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return copied;
}

/** Where `user` can have its data: in `dir`, or outside where it cannot get there. */
async function placeOfData(
  options: PostgresHomeOptions,
  user: { uid: number; gid: number },
): Promise<string> {
  const unreachable = await probe("sh", ["-c", 'cd "$1"', "sh", options.dir], options, user);
  if (unreachable === undefined) return join(options.dir, "data");
  const shared = options.sharedData ?? "/var/lib/tarmac";
  const name = createHash("sha256").update(options.dir).digest("hex").slice(0, 16);
  await mkdir(shared, { recursive: true, mode: 0o755 });
  const data = join(shared, `postgres-${name}`);
  if (await stat(data).catch(() => undefined)) {
    throw new Error(
      `${data} is there, but ${join(options.dir, "data")}, the link to it, is gone: ` +
        "put the link back, or remove the data (the journal rebuilds it)",
    );
  }
  return data;
}

function initdbOf(binaries: PostgresBinaries): string {
  return join(binaries.root, "bin", "initdb");
}
