import { capId } from "../ledger/caps.ts";
import type { Answer, InspectCommand } from "./commands.ts";
import { refusal } from "./refusal.ts";
import { isOver, type WorkspaceState } from "./state.ts";

/** Most balances that one answer lists: it has to fit a message. */
const BALANCES_MAX = 2_000;

/**
 * Answers a question about the present. It carries epoch and seq, waits for no ack, and nobody may act
 * on it: a zombie can answer it too.
 */
export function inspect(state: WorkspaceState, command: InspectCommand, now: number): Answer {
  const base = {
    config_seq: state.configSeq,
    epoch: state.epoch,
    head: state.head.hash,
    kind: "inspected" as const,
    open_holds: state.openHolds,
    seq: state.head.seq,
  };
  if (command.authorization !== undefined) {
    const record = state.authorizations.get(command.authorization);
    if (record === undefined || record.decided === undefined) {
      const message = `No authorization ${command.authorization} in memory; its receipt may be in the read model.`;
      return refusal("unknown-authorization", message, { authorization: command.authorization });
    }
    return {
      ...base,
      authorization: {
        ...record.decided,
        agent: record.agent,
        at: record.at,
        run: record.run,
        settled: record.settled,
        state: record.state,
        still_held: record.held,
      },
    };
  }
  return { ...base, balances: balancesOf(state, command.agent, now) };
}

/** Balances of the periods that have moved, of one agent or of all scopes; runs only of one agent. */
function balancesOf(
  state: WorkspaceState,
  agent: string | undefined,
  now: number,
): NonNullable<Extract<Answer, { kind: "inspected" }>["balances"]> {
  const prefix =
    agent === undefined ? undefined : capId("agent", agent, "run").slice(0, -"run".length);
  const balances = [];
  for (const counter of state.counters.values()) {
    if (prefix === undefined ? counter.kind === "run" : !counter.cap.startsWith(prefix)) continue;
    if (isOver(counter, now)) continue;
    if (balances.length === BALANCES_MAX) break;
    const { cap, held, period, settled } = counter;
    balances.push({ cap, held, period, settled });
  }
  return balances;
}
