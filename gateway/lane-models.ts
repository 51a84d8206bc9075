import { type Lane, laneKey, tierRank } from "../ledger/price-card.ts";
import type { Caller } from "./authenticate.ts";
import type { ConfigPort } from "./ports.ts";
import { type Problem, refused, wrongLane } from "./refusal.ts";
import type { Surface } from "./surface.ts";

/** A lane as its agent may use it: the tiers it is allowed, heaviest first. */
export interface AgentLane {
  readonly lane: Lane;
  readonly tiers: Lane["tiers"];
}

/** The lane of a caller on this surface, for routes that cost nothing and ask no engine. */
export function agentLane(
  config: ConfigPort,
  caller: Pick<Caller, "agent" | "ws">,
  surface: Surface,
): AgentLane | Problem {
  const agent = config.agent(caller.ws, caller.agent);
  if (agent === undefined) {
    return refused("unknown-agent", `Workspace ${caller.ws} has no agent "${caller.agent}".`);
  }
  const lane = config.prices(caller.ws)?.lane(laneKey(agent.lane));
  if (lane === undefined) {
    return refused("unpriced", `No price is in force for the lane of agent ${caller.agent}.`);
  }
  if (lane.api !== surface.api) {
    return wrongLane(lane.api, surface.api);
  }
  const tiers = lane.tiers
    .filter(({ tier }) => agent.tiers.includes(tier))
    .toSorted((a, b) => tierRank(b.tier) - tierRank(a.tier));
  return { lane, tiers };
}

/** The model that a name stands for in a lane; `auto` is the heaviest. */
export function modelOf({ tiers }: AgentLane, asked: string): string | undefined {
  if (asked === "auto") return tiers[0]?.model;
  return tiers.find(({ model, aliases }) => model === asked || aliases.includes(asked))?.model;
}

/** Every name by which the lane's models may be asked for, heaviest tier first, without repeats. */
export function modelNames({ tiers }: AgentLane): readonly string[] {
  return [...new Set(tiers.flatMap(({ model, aliases }) => [model, ...aliases]))];
}
