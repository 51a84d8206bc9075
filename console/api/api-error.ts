import { randomBytes } from "node:crypto";
import type { FastifyReply } from "fastify";
import type { z } from "zod";
import { PostgresUnavailable } from "../../readmodel/connect.ts";
import { LogBroken } from "../../readmodel/transparency.ts";
import { NotInLog } from "../../readmodel/tree-hashes.ts";
import type { Log } from "../log.ts";
import type { ErrorBody, ErrorCode } from "../wire.ts";

const STATUS: Readonly<Record<ErrorCode, number>> = {
  busy: 503,
  forbidden: 403,
  internal: 500,
  invalid: 400,
  "log-broken": 500,
  "nats-unavailable": 503,
  "not-found": 404,
  "postgres-unavailable": 503,
  unauthenticated: 401,
};

/** A request is refused: a code with its status, and a sentence for who reads it. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** What comes from outside, parsed. @throws ApiError naming every mistake */
export function parsed<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ message, path }) =>
    path.length === 0 ? message : `${path.join(".")}: ${message}`,
  );
  throw new ApiError("invalid", problems.join("; "));
}

/** An id by which a failure is found in the log. */
export function failureId(): string {
  return `err_${randomBytes(6).toString("hex")}`;
}

/** Answers with what went wrong. What is our own mistake is not told outside, but logged with its id. */
export function sendFailure(reply: FastifyReply, error: unknown, log: Log): FastifyReply {
  const { code, message } = described(error);
  const id = failureId();
  const status = STATUS[code];
  const { method, url } = reply.request;
  const fields = { id, code, status, method, path: url.split("?", 1)[0] };
  if (code === "internal" || code === "log-broken") {
    const cause = error instanceof Error ? (error.stack ?? error.message) : String(error);
    log.error("a request failed", { ...fields, cause });
  } else if (status === 503) log.warn("a request could not be answered", { ...fields, message });
  if (status === 503) void reply.header("retry-after", "1");
  const body: ErrorBody = { error: { code, message, id } };
  return reply.code(status).header("cache-control", "no-store").send(body);
}

function described(error: unknown): { readonly code: ErrorCode; readonly message: string } {
  if (error instanceof ApiError) return { code: error.code, message: error.message };
  if (error instanceof PostgresUnavailable) {
    return {
      code: "postgres-unavailable",
      message: `${error.message}. Decisions go on; this page heals by itself when it is back.`,
    };
  }
  if (error instanceof LogBroken) return { code: "log-broken", message: error.message };
  if (error instanceof NotInLog) return { code: "not-found", message: error.message };
  const status = statusOf(error);
  if (status !== undefined && status >= 400 && status < 500) {
    return { code: status === 404 ? "not-found" : "invalid", message: messageOf(error) };
  }
  return { code: "internal", message: "The console failed here. Its log says why, under this id." };
}

/** Fastify's own refusals carry their status: a body too large, a path that cannot be decoded. */
function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("statusCode" in error)) return undefined;
  return typeof error.statusCode === "number" ? error.statusCode : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
