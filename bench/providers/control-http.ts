/**
 * The control for a provider that runs as a process of its own.
 *
 *   GET  /__control            status: {waiting, queued, defaults, counts}
 *   POST /__control            {reset?, set?, next?: [{patch, times?, match?}], release?: true | n},
 *                              done in this order; answers {released, …status}
 *   GET  /__served?since=N     served records from `seq` N on, one JSON object a line
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type BehaviorPatch, readPatch } from "./behavior.ts";
import type { Match, Once } from "./control.ts";
import type { Services } from "./exchange.ts";
import type { Served } from "./served.ts";

interface Orders {
  readonly reset: boolean;
  readonly set: BehaviorPatch | undefined;
  readonly next: readonly Once[];
  readonly release: number;
}

/** Shows or changes how requests are answered. */
export async function controlRequest(
  services: Services,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const { control, served } = services;
  if (req.method === "GET") return send(res, 200, { ...control.status, counts: served.counts });
  if (req.method !== "POST") return send(res, 405, { mistakes: ["only GET and POST"] });
  const orders = readOrders(await bodyOf(req));
  if ("mistakes" in orders) return send(res, 400, orders);
  if (orders.reset) control.reset();
  if (orders.set !== undefined) control.set(orders.set);
  for (const { patch, ...options } of orders.next) control.next(patch, options);
  const released = control.release(orders.release);
  send(res, 200, { released, ...control.status, counts: served.counts });
}

/** Sends the served records from `since` on as JSON lines. */
export function servedRequest(served: Served, req: IncomingMessage, res: ServerResponse): void {
  const since = Number(
    new URL(req.url ?? "/", "http://localhost").searchParams.get("since") ?? "0",
  );
  if (!Number.isInteger(since) || since < 0)
    return send(res, 400, { mistakes: ["since: expected a whole number"] });
  try {
    const records = served.since(since);
    res.writeHead(200, { "content-type": "application/x-ndjson" });
    for (const record of records) res.write(`${JSON.stringify(record)}\n`);
    res.end();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    send(res, 410, { mistakes: [error.message] });
  }
}

function readOrders(text: string): Orders | { readonly mistakes: readonly string[] } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { mistakes: [`not JSON: ${error.message}`] };
  }
  if (typeof json !== "object" || json === null) return { mistakes: ["expected an object"] };
  const fields = json as Record<string, unknown>;
  const mistakes: string[] = [];
  const known = ["reset", "set", "next", "release"];
  for (const field in fields) {
    if (!known.includes(field))
      mistakes.push(`${field}: no such order; there are ${known.join(", ")}`);
  }
  const read = (at: string, value: unknown): BehaviorPatch => {
    const { patch, mistakes: found } = readPatch(value);
    mistakes.push(...(found ?? []).map((mistake) => `${at}.${mistake}`));
    return patch ?? {};
  };
  const set = fields["set"] === undefined ? undefined : read("set", fields["set"]);
  const list: unknown = fields["next"] ?? [];
  const next: Once[] = [];
  if (!Array.isArray(list)) mistakes.push("next: expected a list");
  else
    for (const [index, once] of list.entries())
      next.push(readOnce(`next.${index}`, once, read, mistakes));
  const release = fields["release"] ?? 0;
  if (typeof release !== "boolean" && !Number.isInteger(release)) {
    mistakes.push("release: expected true or how many calls to let go");
  }
  if (mistakes.length > 0) return { mistakes };
  const count = release === true ? Number.POSITIVE_INFINITY : Number(release);
  return { reset: fields["reset"] === true, set, next, release: count };
}

function readOnce(
  at: string,
  value: unknown,
  read: (at: string, value: unknown) => BehaviorPatch,
  mistakes: string[],
): Once {
  if (typeof value !== "object" || value === null) {
    mistakes.push(`${at}: expected {patch, times, match}`);
    return { patch: {} };
  }
  const fields = value as Record<string, unknown>;
  const times = fields["times"] ?? 1;
  if (typeof times !== "number" || !Number.isInteger(times) || times < 1) {
    mistakes.push(`${at}.times: expected a whole number from 1`);
  }
  const match: unknown = fields["match"] ?? {};
  const texts =
    typeof match === "object" && match !== null ? Object.entries(match) : [["", undefined]];
  if (
    !texts.every(
      ([name, text]) =>
        ["provider", "model", "tag"].includes(String(name)) && typeof text === "string",
    )
  ) {
    mistakes.push(`${at}.match: expected {provider, model, tag}, all texts`);
  }
  return {
    patch: read(`${at}.patch`, fields["patch"]),
    times: Number(times),
    match: match as Match,
  };
}

async function bodyOf(req: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function send(res: ServerResponse, status: number, body: object): void {
  res.writeHead(status, { "content-type": "application/json" });
  res.end(`${JSON.stringify(body)}\n`);
}
