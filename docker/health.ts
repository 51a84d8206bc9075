/**
 * The health check of a container: `node docker/health.ts node|gateway|console`. Says in one line what
 * is wrong and exits 1, or exits 0.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { readHealthConfig } from "./config.ts";

/** A node that lives writes every second; on a machine out of breath a few may pass. ms */
const NODE_SILENT_MS_MAX = 10_000;
const ANSWER_MS_MAX = 3_000;

/** Why a node is not well, or undefined. It alone writes to this directory. */
export async function nodeProblem(nodesDir: string, nowMs: number): Promise<string | undefined> {
  const files = (await readdir(nodesDir).catch(() => [])).filter((name) => name.endsWith(".json"));
  const said = await Promise.all(files.map((name) => readHealth(join(nodesDir, name))));
  const latest = said
    .filter((one) => one !== undefined)
    .sort((a, b) => b.at - a.at)
    .at(0);
  if (latest === undefined) return "the node has not said anything yet";
  const silentMs = nowMs - latest.at;
  if (silentMs > NODE_SILENT_MS_MAX) return `the node has been silent for ${silentMs} ms`;
  return latest.ready ? undefined : "the node does not own yet what it should";
}

interface Said {
  readonly at: number;
  readonly ready: boolean;
}

async function readHealth(path: string): Promise<Said | undefined> {
  // A file may go between listing and reading: a node that ends removes its own.
  const text = await readFile(path, "utf8").catch(() => "{}");
  const { at, ready } = JSON.parse(text) as { readonly at?: unknown; readonly ready?: unknown };
  if (typeof at !== "string" || Number.isNaN(Date.parse(at))) return undefined;
  return { at: Date.parse(at), ready: ready === true };
}

/** Why an HTTP server is not well, or undefined. */
export async function serverProblem(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    return response.ok ? undefined : `${url} answers ${response.status}`;
  } catch (error) {
    return `${url} does not answer: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/**
 * A gateway is well when it serves. Whether an engine would decide is `/readyz`, which is for load
 * balancers: it refuses also while there is no workspace, as in a cluster that is new.
 */
async function problemOf(which: string | undefined): Promise<string | undefined> {
  const { consolePort, gatewayPort, nodesDir } = readHealthConfig();
  if (which === "node") return nodeProblem(nodesDir, Date.now());
  if (which === "gateway") return serverProblem(`http://127.0.0.1:${gatewayPort}/healthz`);
  if (which === "console") return serverProblem(`http://127.0.0.1:${consolePort}/healthz`);
  return "usage: node docker/health.ts node|gateway|console";
}

if (import.meta.main) {
  const problem = await problemOf(process.argv[2]);
  if (problem !== undefined) process.stdout.write(`${problem}\n`);
  process.exit(problem === undefined ? 0 : 1);
}
