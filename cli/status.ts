import { setTimeout as sleep } from "node:timers/promises";
import { readClusterMap } from "../bus/cluster-map.ts";
import { type ClusterFile, isAlive, readClusterFile } from "./cluster/cluster-file.ts";
import { homeAt } from "./cluster/home.ts";
import { cliConfig } from "./config.ts";
import { EngineSession } from "./engine-session.ts";
import { logsStatus } from "./log-status.ts";
import { Failure, print, printJson, table } from "./output.ts";

/** One part of the cluster, and how it is. */
interface PartStatus {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** How long a part may take to answer, in ms. */
const ANSWER_MS = 3_000;

/** Says what runs and whether a hold could be placed. Exit 1 when one could not. */
export async function status(options: { readonly json?: boolean }): Promise<void> {
  const config = cliConfig();
  const cluster = await readClusterFile(homeAt(config.home).clusterFile);
  if (cluster === undefined) {
    if (options.json === true) printJson({ ok: false, running: false });
    throw new Failure(`No Tarmac runs from ${config.home}. Start it with: npm start`);
  }
  const parts = [
    ...cluster.processes.map(({ name, pid }) => processStatus(name, pid)),
    await answersAt("gateway ready", `${cluster.gateway_url}/readyz`),
    await engineStatus(cluster, config.natsCa),
    await shardsStatus(cluster, config.natsCa),
    await logsStatus(config.home),
    await answersAt("console answers", `${cluster.console_url}/healthz`),
  ];
  const ok = parts.every((part) => part.ok);
  // Nobody's call waits for the console or for a signature.
  const holds = parts.every((part) => part.ok || /^(console|ledgers)/.test(part.name));
  if (options.json === true) {
    const { console_url, gateway_url, pid } = cluster;
    printJson({ console_url, gateway_url, ok, parts, pid, running: true });
  } else {
    print(table(parts.map(({ detail, name, ok: fine }) => [fine ? "✓" : "✗", name, detail])));
    print(holds ? "\nA hold can be placed." : "\nNo hold can be placed: calls are refused (503).");
  }
  if (!ok) process.exitCode = 1;
}

function processStatus(name: string, pid: number): PartStatus {
  const alive = isAlive(pid);
  return { detail: alive ? `process ${pid}` : `process ${pid} is gone`, name, ok: alive };
}

async function answersAt(name: string, url: string): Promise<PartStatus> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) });
    return { detail: `${new URL(url).origin}: ${response.status}`, name, ok: response.ok };
  } catch (error) {
    return { detail: String(error instanceof Error ? error.message : error), name, ok: false };
  }
}

function engineStatus(cluster: ClusterFile, ca: string | undefined): Promise<PartStatus> {
  return soon("engine", engineAnswers(cluster, ca));
}

function shardsStatus(cluster: ClusterFile, ca: string | undefined): Promise<PartStatus> {
  return soon("shards", shardsOwned(cluster, ca));
}

async function soon(name: string, asked: Promise<PartStatus>): Promise<PartStatus> {
  const late = sleep(ANSWER_MS + 1_000, undefined, { ref: false }).then(() => {
    throw new Failure("NATS does not answer");
  });
  try {
    return await Promise.race([asked, late]);
  } catch (error) {
    const detail = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    return { detail, name, ok: false };
  }
}

async function shardsOwned(cluster: ClusterFile, ca: string | undefined): Promise<PartStatus> {
  const session = await EngineSession.openUrl(cluster.operator_url, ca);
  try {
    const { members, shards } = await readClusterMap(session.nc, ANSWER_MS);
    const free = shards.filter(({ phase }) => phase === "free" || phase === "halted");
    const by = `${members.length} worker(s)`;
    const detail =
      free.length === 0
        ? `${shards.length} decided by ${by}`
        : `${free.length} of ${shards.length} decided by nobody: see npx tarmac nodes`;
    return { detail, name: "shards", ok: free.length === 0 };
  } finally {
    await session.close();
  }
}

async function engineAnswers(cluster: ClusterFile, ca: string | undefined): Promise<PartStatus> {
  const session = await EngineSession.openUrl(cluster.operator_url, ca);
  try {
    const answer = await session.request(cluster.workspace, { kind: "inspect" }, ANSWER_MS);
    if (answer.kind !== "inspected") throw new Failure(`it answered ${answer.kind}`);
    const open = answer.open_holds ?? 0;
    const detail = `workspace ${cluster.workspace}: ${answer.seq} entries, epoch ${answer.epoch}, ${open} open hold(s)`;
    return { detail, name: "engine", ok: true };
  } finally {
    await session.close();
  }
}
