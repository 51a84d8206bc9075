/**
 * Goal: the image holds every package that its processes import and none besides; containers run with
 * the least they need, and no secret has a default.
 * Method: read Dockerfile and docker-compose.yml as they are, and hold them against the imports in the
 * folders that the image keeps and against the secrets that `tarmac compose-secrets` makes.
 */
import { globSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { withSecrets } from "../cli/compose-secrets.ts";
import { nodeProblem, serverProblem } from "./health.ts";
import { programOf } from "./start.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

const KEPT = ["actors", "bench/providers", "bus", "cli", "console", "docker", "gateway"];
const KEPT_TOO = ["ledger", "nodes", "prices", "readmodel"];
/** Part of the image's sources that none of its processes runs. */
const UNUSED =
  /\.test\.ts$|(^|\/)(testing|e2e)\/|^console\/(web\/|build\.ts)|^docker\/local-images\//;

/** Packages that the code in the image imports by name. */
function imported(): Set<string> {
  const paths = globSync(
    [...KEPT, ...KEPT_TOO].map((folder) => `${folder}/**/*.{ts,mjs}`),
    {
      cwd: ROOT,
    },
  ).filter((path) => !UNUSED.test(path) && !/(^|\/)vitest-/.test(path));
  expect(paths.length).toBeGreaterThan(100);
  const specifiers = paths.flatMap((path) =>
    [...read(path).matchAll(/(?:\bfrom |\bimport\(|^import )"([^".][^"]*)"/gm)].map(
      ([, specifier = ""]) => specifier,
    ),
  );
  const packages = specifiers
    .filter((specifier) => !specifier.startsWith("node:"))
    .map((specifier) => specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/"));
  return new Set(packages);
}

/** Imported by nobody so far, and small: whoever begins to use it need not think of the image. */
const SPARE = new Set(["@nats-io/kv"]);

test("Dockerfile: leaves out the packages that no process imports, and keeps the others", () => {
  const dropped = [...read("Dockerfile").matchAll(/ dependencies\.(\S+)/g)].map(([, name]) => name);
  const { dependencies } = z
    .object({ dependencies: z.record(z.string(), z.string()) })
    .parse(JSON.parse(read("package.json")));
  const needed = imported();
  const unused = Object.keys(dependencies).filter((name) => !needed.has(name));
  expect(dropped.toSorted()).toEqual(unused.filter((name) => !SPARE.has(name)).toSorted());
});

const service = z.object({
  cap_drop: z.array(z.string()),
  healthcheck: z.object({ test: z.array(z.string()) }).optional(),
  image: z.string(),
  mem_limit: z.string(),
  profiles: z.array(z.string()).optional(),
  read_only: z.boolean(),
  restart: z.string(),
  security_opt: z.array(z.string()),
  user: z.string().optional(),
});

function services(path: string): [string, z.infer<typeof service>][] {
  // Aliases in one file are read as YAML 1.1's merge keys, as Compose does.
  const file = z
    .object({ services: z.record(z.string(), z.unknown()) })
    .parse(parse(read(path), { merge: true }));
  return Object.entries(file.services).map(([name, each]) => [name, service.parse(each)]);
}

test("docker-compose.yml: every container is confined, restarted and looked after", () => {
  for (const [name, each] of services("docker-compose.yml")) {
    expect(each.read_only, name).toBe(true);
    expect(each.cap_drop, name).toEqual(["ALL"]);
    expect(each.security_opt, name).toEqual(["no-new-privileges:true"]);
    expect(each.image, name).toMatch(/^\$\{(TARMAC|NATS|POSTGRES)_IMAGE:-[^}]+\}$/);
    // Our own image has a user; the official ones would begin as root.
    expect(each.user !== undefined || each.image.includes("TARMAC_IMAGE"), name).toBe(true);
    if (each.profiles !== undefined) continue;
    expect(each.restart, name).toBe("unless-stopped");
    expect(each.healthcheck, name).toBeDefined();
  }
});

test("docker-compose.yml: no secret has a default, and compose-secrets makes each", () => {
  const text = read("docker-compose.yml").replaceAll(/^\s*#.*$/gm, "");
  const used = [...text.matchAll(/\$\{([A-Z0-9_]+)([^}]*)\}/g)].map(([, name = "", rest = ""]) => {
    return { name, rest };
  });
  const secrets = used.filter(({ name }) => /PASSWORD|SEED/.test(name));
  expect(secrets.filter(({ rest }) => rest !== "" && !rest.startsWith(":?"))).toEqual([]);
  const required = secrets.filter(({ rest }) => rest.startsWith(":?")).map(({ name }) => name);
  expect([...new Set(required)].toSorted()).toEqual(
    [...new Set(secrets.map(({ name }) => name))].toSorted(),
  );
  expect([...new Set(required)].toSorted()).toEqual([...withSecrets("").made].toSorted());
});

test("start: a container's command is a process of its own, or a command of tarmac", () => {
  expect(programOf(["node", "--init"])).toEqual(["nodes/main.ts", "--init"]);
  expect(programOf(["gateway"])).toEqual(["gateway/main.ts"]);
  expect(programOf(["apply", "-f", "node"])).toEqual(["cli/main.ts", "apply", "-f", "node"]);
  expect(programOf([])).toEqual(["cli/main.ts"]);
});

test("health: a node is well while it is ready and says so", async () => {
  const dir = await mkdtemp(join(tmpdir(), "tarmac-health-"));
  const say = (at: number, ready: boolean) =>
    writeFile(join(dir, "node-1.json"), JSON.stringify({ at: new Date(at).toISOString(), ready }));
  try {
    expect(await nodeProblem(join(dir, "none"), 0)).toMatch(/not said anything/);
    await say(100_000, true);
    expect(await nodeProblem(dir, 101_000)).toBeUndefined();
    expect(await nodeProblem(dir, 111_000)).toMatch(/silent for 11000 ms/);
    await say(200_000, false);
    expect(await nodeProblem(dir, 200_500)).toMatch(/does not own yet/);
  } finally {
    await rm(dir, { force: true, recursive: true });
  }
});

test("health: a server is well when it answers 200", async () => {
  let status = 200;
  const server = createServer((_request, response) => response.writeHead(status).end());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/healthz`;
  expect(await serverProblem(url)).toBeUndefined();
  status = 503;
  expect(await serverProblem(url)).toMatch(/answers 503/);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  expect(await serverProblem(url)).toMatch(/does not answer/);
});
