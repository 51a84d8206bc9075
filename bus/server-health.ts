import { type ConnectOptions, connectBus } from "./connect.ts";
import { HEALTHZ_PING } from "./subjects.ts";

/** How long servers of a cluster are given to answer, in ms. */
const ANSWER_MS = 1_500;
/** After one answer, how long others may still take, in ms. */
const STALL_MS = 300;

interface HealthAnswer {
  readonly server?: { readonly name?: string };
  readonly data?: { readonly status?: string; readonly error?: string };
}

/**
 * What servers say against themselves, through the system account: one sentence each, with what to do.
 * A server whose disk was full says so here only: an append to it just gets no answer.
 * @returns nothing where all is well, or where nobody answers
 */
export async function serverTroubles(system: ConnectOptions): Promise<string[]> {
  const nc = await connectBus({ ...system, name: `${system.name} health` }, ANSWER_MS);
  try {
    const replies = await nc.requestMany(HEALTHZ_PING, "", {
      maxWait: ANSWER_MS,
      stall: STALL_MS,
      strategy: "stall",
    });
    const troubles: string[] = [];
    for await (const reply of replies) {
      const { data, server } = reply.json<HealthAnswer>();
      if (data?.status === undefined || data.status === "ok") continue;
      const error = data.error ?? data.status;
      troubles.push(`${server?.name ?? "a nats-server"}: ${error}: ${adviceFor(error)}`);
    }
    return troubles;
  } finally {
    await nc.close();
  }
}

/**
 * nats-server gives a stream up whose write failed, also once its disk has room again: nothing but a
 * restart makes it write. Tried with 2.15.1 on a full tmpfs, 2026-11-22.
 */
function adviceFor(error: string): string {
  if (/no space left|quota exceeded/i.test(error)) {
    return "make room on its disk, then restart nats-server, which does not write again before that";
  }
  if (/write error/i.test(error)) {
    return "see to its disk, then restart nats-server, which does not write again before that";
  }
  return "see its log";
}
