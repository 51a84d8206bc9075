import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type ClusterFile, readClusterFile } from "./cluster/cluster-file.ts";
import { homeAt } from "./cluster/home.ts";
import { CLAUDE_AGENT, savedKeys } from "./cluster/starter.ts";
import { cliConfig } from "./config.ts";
import { Failure, note, print, printJson } from "./output.ts";

/** What can be made to happen. */
export const TRIGGERS = ["over-cap", "abort", "retry", "late-settle"] as const;

/** One thing that happened, as the gateway answered it. */
interface Shown {
  readonly what: string;
  readonly status: number;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;
}

interface Scene {
  readonly cluster: ClusterFile;
  readonly key: string;
  readonly json: boolean;
}

/** Makes one thing happen through the gateway and shows what it came to. */
export async function trigger(what: string, options: { readonly json?: boolean }): Promise<void> {
  const config = cliConfig();
  const home = homeAt(config.home);
  const cluster = await readClusterFile(home.clusterFile);
  if (cluster === undefined) throw new Failure("Tarmac is not running. Start it with: npm start");
  const key = (await savedKeys(home, cluster.workspace))?.[CLAUDE_AGENT];
  if (key === undefined) {
    throw new Failure(`There is no saved key of ${CLAUDE_AGENT}; it is made by \`npm start\`.`);
  }
  const scene: Scene = { cluster, json: options.json === true, key };
  const acts: Readonly<Record<string, (on: Scene) => Promise<readonly Shown[]>>> = {
    abort,
    "late-settle": lateSettle,
    "over-cap": overCap,
    retry,
  };
  const act = acts[what];
  if (act === undefined) throw new Failure(`Not "${what}": one of ${TRIGGERS.join(", ")}`, 2);
  const shown = await act(scene);
  if (scene.json) return printJson({ shown, trigger: what });
  for (const { body, headers, status, what: did } of shown) {
    print(`${did}\n  ${status} ${JSON.stringify(body)}`);
    for (const [name, value] of Object.entries(headers)) print(`  ${name}: ${value}`);
  }
}

async function call(
  scene: Scene,
  what: string,
  path: string,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Shown> {
  const response = await fetch(`${scene.cluster.gateway_url}${path}`, {
    body: JSON.stringify(body),
    headers: {
      "anthropic-version": "2023-06-01",
      "content-type": "application/json",
      "x-api-key": scene.key,
      ...headers,
    },
    method: "POST",
  });
  const said = await response.text();
  return { body: parsed(said), headers: tarmacHeaders(response), status: response.status, what };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function tarmacHeaders(response: Response): Record<string, string> {
  return Object.fromEntries([...response.headers].filter(([name]) => name.startsWith("x-tarmac-")));
}

const MESSAGES = "/v1/anthropic/v1/messages";
const hello = (maxTokens: number) => ({
  max_tokens: maxTokens,
  messages: [{ content: "Say hello.", role: "user" }],
  model: "auto",
});

/** More than any run may spend: the call does not go out. */
async function overCap(scene: Scene): Promise<readonly Shown[]> {
  const bound = { input: "1000000000", output: "1000000000", choices: "1000" };
  const authorize = { agent: CLAUDE_AGENT, model: "auto", usage_bound: bound };
  return [
    await call(scene, "An authorize for more than the caps leave:", "/v1/authorize", authorize),
  ];
}

/** The client goes away in the middle of a stream: what was used is settled all the same. */
async function abort(scene: Scene): Promise<readonly Shown[]> {
  const away = new AbortController();
  const response = await fetch(`${scene.cluster.gateway_url}${MESSAGES}`, {
    body: JSON.stringify({ ...hello(512), stream: true }),
    headers: {
      "anthropic-version": "2023-06-01",
      "content-type": "application/json",
      "x-api-key": scene.key,
    },
    method: "POST",
    signal: away.signal,
  });
  const headers = tarmacHeaders(response);
  const reader = response.body?.getReader() as ReadableStreamDefaultReader<Uint8Array> | undefined;
  const first = await reader?.read();
  const bytes = first?.value?.length ?? 0;
  away.abort();
  const opened: Shown = {
    body: `${bytes} bytes read, then the client left`,
    headers,
    status: response.status,
    what: "A stream that the client leaves after the first bytes:",
  };
  const authorization = headers["x-tarmac-authorization"];
  if (authorization === undefined) return [opened];
  return [opened, await settledReceipt(scene, authorization)];
}

/** The same idempotency key twice: the second call is not forwarded. */
async function retry(scene: Scene): Promise<readonly Shown[]> {
  const headers = { "idempotency-key": randomUUID() };
  const first = await call(scene, "A call with an idempotency-key:", MESSAGES, hello(64), headers);
  return [first, await call(scene, "The same once more:", MESSAGES, hello(64), headers)];
}

/** A hold that its gateway forgot expires; the settle that comes after it posts all the same. */
async function lateSettle(scene: Scene): Promise<readonly Shown[]> {
  const bound = { input: "1000", output: "1000" };
  const authorize = { agent: CLAUDE_AGENT, model: "auto", usage_bound: bound };
  const opened = await call(scene, "A hold that nobody renews:", "/v1/authorize", authorize);
  const id = (opened.body as { readonly authorization?: string }).authorization;
  if (id === undefined) return [opened];
  note("Waiting for it to expire: 30 s without a sign of life.");
  for (let left = 32; left > 0; left -= 4) {
    note(`  … ${left} s`);
    await sleep(4_000);
  }
  const settle = { final: true, part: "1", usage: { input: "900", output: "250" } };
  const path = `/v1/authorizations/${id}/settle`;
  return [opened, await call(scene, "Its settle, after the hold has expired:", path, settle)];
}

/** Waits for the end of an authorization and shows its receipt. */
async function settledReceipt(scene: Scene, authorization: string): Promise<Shown> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const response = await fetch(`${scene.cluster.gateway_url}/v1/receipts/${authorization}`, {
      headers: { "x-api-key": scene.key },
    });
    const body = parsed(await response.text());
    const state = (body as { readonly state?: string }).state;
    if ((response.ok && state !== "open") || performance.now() > deadline) {
      return {
        body,
        headers: {},
        status: response.status,
        what: "Its receipt, once it is settled:",
      };
    }
    await sleep(200);
  }
}
