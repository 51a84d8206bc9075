import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { NAME_PATTERN, RUN_PATTERN } from "../ledger/ids.ts";
import type { ConfigPort } from "./ports.ts";
import { type Problem, refused } from "./refusal.ts";

/** Who calls, in whose name, and what the call belongs to. Nothing of it is ever forwarded. */
export interface Caller {
  readonly ws: string;
  /** Public id of the key. */
  readonly key: string;
  readonly agent: string;
  readonly run: string | undefined;
  readonly tool: string | undefined;
  readonly attributes: Readonly<Record<string, string>> | undefined;
  /** SHA-256 over key id and the client's idempotency key, hex. */
  readonly idempotency: string | undefined;
  /** The vendor's own credential, for `passthrough`, by the header it came in. */
  readonly vendor: Readonly<Record<string, string>> | undefined;
}

/** A key without the question which agent it speaks for. */
export interface KeyHolder {
  readonly ws: string;
  readonly key: string;
  readonly agent: string | undefined;
  readonly vendor: Caller["vendor"];
}

/** Every key of ours begins so; what begins otherwise is a vendor's. */
export const KEY_PREFIX = "tarmac_pk_";
const KEY_PATTERN = /^tarmac_pk_[A-Za-z0-9_-]{16,200}$/;
const ATTRIBUTE_NAME = /^[A-Za-z0-9_.-]{1,64}$/;
/** Attributes of one call: number, length of a value in UTF-16 code units, bytes of all (architecture §4). */
const ATTRIBUTES_MAX = 32;
const ATTRIBUTE_LENGTH_MAX = 512;
const ATTRIBUTES_BYTES_MAX = 2_048;
const TOOL_LENGTH_MAX = 128;
const IDEMPOTENCY_LENGTH_MAX = 255;

/** Finds the key of a request, wherever a vendor's client puts it. */
export function findKey(headers: IncomingHttpHeaders, config: ConfigPort): KeyHolder | Problem {
  const own = headers["x-tarmac-key"];
  const plain = headers["x-api-key"];
  const bearer = /^Bearer\s+(\S+)$/i.exec(headers.authorization ?? "")?.[1];
  const places = [own, plain, bearer].filter((value) => typeof value === "string");
  const ours = places.find((value) => value.startsWith(KEY_PREFIX));
  if (ours === undefined) {
    const message =
      places.length === 0
        ? "No key. Put a tarmac_pk_… key where your client has its API key."
        : "This is not a Tarmac key: it begins with tarmac_pk_. Under passthrough, put it in x-tarmac-key.";
    return refused("unauthenticated", message);
  }
  const known = KEY_PATTERN.test(ours) ? config.keyByHash(sha256(ours)) : undefined;
  if (known === undefined) {
    return refused(
      "unauthenticated",
      "The key is not known here. tarmac keys list shows those that are.",
    );
  }
  if (known.revoked)
    return refused("unauthenticated", `Key ${known.id} is revoked. Make another one.`);
  const vendor: Record<string, string> = {};
  if (typeof plain === "string" && !plain.startsWith(KEY_PREFIX)) vendor["x-api-key"] = plain;
  if (bearer !== undefined && !bearer.startsWith(KEY_PREFIX)) {
    vendor["authorization"] = `Bearer ${bearer}`;
  }
  const passes = Object.keys(vendor).length > 0;
  return { ws: known.ws, key: known.id, agent: known.agent, vendor: passes ? vendor : undefined };
}

/** Names the agent: the key's own, or the one that the request names. */
export function findAgent(holder: KeyHolder, headers: IncomingHttpHeaders): string | Problem {
  const named = headerText(headers["x-tarmac-agent"]);
  if (holder.agent !== undefined) {
    if (named === undefined || named === holder.agent) return holder.agent;
    const message = `Key ${holder.key} belongs to agent ${holder.agent} and cannot speak for "${named}".`;
    return refused("forbidden", message, { field: "x-tarmac-agent" });
  }
  if (named === undefined) {
    const message = `Key ${holder.key} names no agent: send its name in x-tarmac-agent.`;
    return refused("unknown-agent", message, { field: "x-tarmac-agent" });
  }
  if (NAME_PATTERN.test(named)) return named;
  const message = `x-tarmac-agent: "${named.slice(0, 80)}" is no agent's name (a-z, 0-9, _ and -).`;
  return refused("unknown-agent", message, { field: "x-tarmac-agent" });
}

/** Reads key and headers of a call; every mistake in the headers at once. */
export function authenticate(headers: IncomingHttpHeaders, config: ConfigPort): Caller | Problem {
  const holder = findKey(headers, config);
  if ("code" in holder) return holder;
  const agent = findAgent(holder, headers);
  if (typeof agent !== "string") return agent;
  const problems: string[] = [];
  const run = headerText(headers["x-tarmac-run"]);
  if (run !== undefined && !RUN_PATTERN.test(run)) {
    problems.push("x-tarmac-run: must be 1 to 128 of A-Z a-z 0-9 . _ : - and not begin with auth_");
  }
  const tool = headerText(headers["x-tarmac-tool"]);
  if (tool !== undefined && (tool.length > TOOL_LENGTH_MAX || !tool.isWellFormed())) {
    problems.push(`x-tarmac-tool: must be at most ${TOOL_LENGTH_MAX} characters`);
  }
  const given = headerText(headers["idempotency-key"]);
  if (given !== undefined && given.length > IDEMPOTENCY_LENGTH_MAX) {
    problems.push(`idempotency-key: must be at most ${IDEMPOTENCY_LENGTH_MAX} characters`);
  }
  const attributes = readAttributes(headerText(headers["x-tarmac-attributes"]), problems);
  if (problems.length > 0) {
    const field = problems[0]?.split(":", 1)[0] ?? "headers";
    return refused("bad-request", problems.join("; "), { field });
  }
  const { ws, key, vendor } = holder;
  const idempotency = given === undefined ? undefined : sha256(`${key}\n${given}`);
  return { ws, key, agent, run, tool, attributes, idempotency, vendor };
}

/** A JSON object of strings; undefined when there is none or it is wrong. */
function readAttributes(
  text: string | undefined,
  problems: string[],
): Readonly<Record<string, string>> | undefined {
  if (text === undefined) return undefined;
  const wrong = (what: string) => {
    problems.push(`x-tarmac-attributes: ${what}`);
    return undefined;
  };
  if (Buffer.byteLength(text) > ATTRIBUTES_BYTES_MAX) {
    return wrong(`must be at most ${ATTRIBUTES_BYTES_MAX} bytes`);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return wrong("is not JSON; send an object of strings");
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    return wrong("must be a JSON object of strings");
  }
  const entries = Object.entries(json as Record<string, unknown>);
  if (entries.length > ATTRIBUTES_MAX) return wrong(`may have at most ${ATTRIBUTES_MAX} fields`);
  const attributes: Record<string, string> = {};
  for (const [name, value] of entries) {
    if (!ATTRIBUTE_NAME.test(name))
      wrong(`"${name.slice(0, 80)}" is not a name that can stand here`);
    else if (typeof value !== "string" || !value.isWellFormed()) wrong(`${name} must be a string`);
    else if (value.length > ATTRIBUTE_LENGTH_MAX) {
      wrong(`${name} must be at most ${ATTRIBUTE_LENGTH_MAX} characters`);
    } else attributes[name] = value;
  }
  return attributes;
}

/** A header's text; empty counts as absent. */
function headerText(value: string | string[] | undefined): string | undefined {
  const text = Array.isArray(value) ? value.join(", ") : value;
  return text === undefined || text === "" ? undefined : text;
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
