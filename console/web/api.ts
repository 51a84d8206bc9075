/** Requests to the console's API. What goes wrong comes back as one kind of error with an id to quote. */
import type { ErrorBody, ErrorCode } from "../wire.ts";

/** A request that got no answer, or one that is not a success. */
export class ApiProblem extends Error {
  override readonly name = "ApiProblem";
  readonly code: ErrorCode | "unreachable";
  /** Finds the failure in the console's log; absent when no answer came. */
  readonly id: string | undefined;

  constructor(code: ErrorCode | "unreachable", message: string, id?: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
    this.id = id;
  }
}

/** How long an answer may take, in ms, before the page says that none came. */
const ANSWER_MS = 15_000;

/**
 * Asks the API. The shape of an answer is the API's word: both sides share its types.
 * @throws ApiProblem when there is no answer, or it is not a success.
 */
export async function request<T>(path: string, method: "GET" | "POST" = "GET"): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: { accept: "application/json" },
      signal: AbortSignal.timeout(ANSWER_MS),
    });
  } catch (cause) {
    throw new ApiProblem("unreachable", "The console's server does not answer.", undefined, cause);
  }
  const body: unknown = await response.json().catch(() => undefined);
  if (response.ok && body !== undefined) return body as T;
  if (isErrorBody(body)) {
    throw new ApiProblem(body.error.code, body.error.message, body.error.id);
  }
  throw new ApiProblem("internal", `The server answered ${response.status} without saying why.`);
}

function isErrorBody(body: unknown): body is ErrorBody {
  if (typeof body !== "object" || body === null || !("error" in body)) return false;
  const { error } = body;
  return typeof error === "object" && error !== null && "code" in error && "message" in error;
}

/** A query string of what is there. */
export function query(parameters: Readonly<Record<string, string | number | undefined>>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== "") search.set(name, String(value));
  }
  const text = search.toString();
  return text === "" ? "" : `?${text}`;
}
