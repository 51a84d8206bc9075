import type { IncomingMessage, ServerResponse } from "node:http";
import { authenticate, type Caller } from "./authenticate.ts";
import { ClientResponse } from "./client-response.ts";
import type { Enforcement } from "./enforce.ts";
import { forwardHeaders } from "./forward-headers.ts";
import type { Clock, ConfigPort, Log, Telemetry } from "./ports.ts";
import { type BodyBudget, readRequestBody } from "./read-body.ts";
import { bodyRefused, type Problem, refused } from "./refusal.ts";
import { ReadFault, type RequestReader } from "./request-reader.ts";
import { sendProblem } from "./send-problem.ts";
import type { Surface } from "./surface.ts";

/** What every route works with. */
export interface CallServices {
  readonly config: ConfigPort;
  readonly enforcement: Enforcement;
  readonly reader: RequestReader;
  readonly budget: BodyBudget;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly log: Log;
  /** True once the process is asked to end: what comes now is refused. */
  readonly stopping: () => boolean;
  /** Calls that are under way; the process ends when there are none. */
  readonly running: Set<Promise<void>>;
}

/** Takes a metered call from its head to its end. */
export function handleCall(
  services: CallServices,
  surface: Surface,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const client = new ClientResponse(response);
  const call = meteredCall(services, surface, request, client).catch((cause: unknown) => {
    services.telemetry.alarm("call-failed");
    services.log.error({ cause: stackOf(cause) }, "a call failed inside the gateway");
    if (response.headersSent) return client.cut();
    const message = "The gateway failed. The call is in its log.";
    sendProblem(client, surface, refused("fail-closed", message));
  });
  services.running.add(call);
  void call.finally(() => services.running.delete(call));
}

async function meteredCall(
  services: CallServices,
  surface: Surface,
  request: IncomingMessage,
  client: ClientResponse,
): Promise<void> {
  const { clock, telemetry } = services;
  const startedAt = clock.monotonicMs();
  const refuse = (problem: Problem) => {
    telemetry.ended(surface.api, problem.code);
    // What is left of a body that was refused unread would be taken for the next request.
    const close = request.complete ? {} : { connection: "close" };
    sendProblem(client, surface, problem, close);
  };
  const caller = admit(services, request, surface);
  if ("code" in caller) return refuse(caller);
  const query = queryOf(request, surface);
  if (typeof query !== "string") return refuse(query);
  const body = await readRequestBody(request, services.budget);
  if (body === undefined) return telemetry.ended(surface.api, "client-gone");
  if ("code" in body) return refuse(body);
  try {
    const read = await services.reader.read(surface.api, body.bytes);
    telemetry.took("read", clock.monotonicMs() - startedAt);
    if (!read.ok) return refuse(bodyRefused(read.bad, read.unsupported));
    const { call } = read;
    const passed = forwardHeaders(request.headers, surface);
    const ask = { caller, surface, call, body, ...passed, query };
    await services.enforcement.run(ask, client);
  } catch (cause) {
    if (!(cause instanceof ReadFault)) throw cause;
    refuse(refused("bad-request", `body: ${cause.message}; send a smaller or simpler one`));
  } finally {
    body.release();
  }
}

/** Checks what can be said before a byte of the body is read. */
export function admit(
  services: CallServices,
  request: IncomingMessage,
  surface: Surface,
): Caller | Problem {
  if (services.stopping()) {
    return refused("fail-closed", "This gateway is shutting down. Try again in a moment.");
  }
  if (!services.config.ready()) {
    const message = `This gateway has not read its configuration yet. Try the ${surface.api} call again in a moment.`;
    return refused("fail-closed", message);
  }
  return authenticate(request.headers, services.config);
}

/** The query that is passed on, with its question mark; anything unknown is refused. */
export function queryOf(request: IncomingMessage, surface: Surface): Problem | string {
  const url = request.url ?? "";
  const mark = url.indexOf("?");
  const query = mark < 0 ? "" : url.slice(mark + 1);
  if (query === "") return "";
  const unknown = query.split("&").find((part) => !surface.query.includes(part));
  if (unknown === undefined) return `?${query}`;
  const name = unknown.split("=", 1)[0]?.slice(0, 60) ?? "";
  return refused("unsupported", `${name}: is not a query parameter that this gateway can meter`, {
    field: name,
  });
}

function stackOf(cause: unknown): string {
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}
