import type { AuthorizeCommand } from "../actors/commands.ts";
import type { Caller } from "./authenticate.ts";
import type { HeldBody } from "./read-body.ts";
import type { CallRequest, Surface } from "./surface.ts";

/** A call that has been read: who asks for what. */
export interface Ask {
  readonly caller: Caller;
  readonly surface: Surface;
  readonly call: CallRequest;
  /** Released once the call has left. */
  readonly body: HeldBody;
  /** Headers of the client that are passed on; none of ours. */
  readonly headers: Readonly<Record<string, string>>;
  /** Headers that choose whose account is billed: passed on only beside the caller's own credential. */
  readonly accountHeaders: Readonly<Record<string, string>>;
  /** Query of the request that is passed on, with its question mark, or nothing. */
  readonly query: string;
}

/** The question that a call puts to the engine. */
export function authorizeCommand(
  ask: Ask,
  authorization: string,
  configSeq: bigint,
  refinable: boolean,
): AuthorizeCommand {
  const { attributes, idempotency, run, tool, agent, key } = ask.caller;
  return {
    kind: "authorize",
    agent,
    authorization,
    key,
    model: ask.call.model,
    refinable,
    usage_bound: ask.call.bound,
    config_seq: configSeq,
    ...(attributes === undefined ? {} : { attributes }),
    ...(idempotency === undefined ? {} : { idempotency }),
    ...(run === undefined ? {} : { run }),
    ...(tool === undefined ? {} : { tool }),
  };
}
