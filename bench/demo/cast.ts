import type { Tier } from "../../ledger/price-card.ts";
import { builtInLanes } from "../../prices/lanes.ts";

/** The two APIs that demo agents speak. */
export type DemoApi = "anthropic" | "openai";

/** When an agent works: with people, at night, or all day. */
export type Rhythm = "office" | "night" | "steady";

/** From and to, both included. */
export type Range = readonly [least: number, most: number];

/** What a demo agent does all day. Its caps and priority stand in workspace/agents/<agent>.yaml. */
export interface Part {
  readonly agent: string;
  readonly api: DemoApi;
  readonly rhythm: Rhythm;
  /** Runs an hour when it is busiest, at rate 1. */
  readonly runsPerHour: number;
  /** The tier whose model it asks for; `auto` leaves it to the gateway. */
  readonly tier: Tier | "auto";
  /** Calls of one run, each with the conversation so far. */
  readonly turns: Range;
  readonly maxTokens: number;
  /** Bytes of each question. */
  readonly questionBytes: Range;
  /** Bytes of the instructions that every run begins with; marked for caching (Anthropic). */
  readonly instructionBytes: number;
  /** Share of calls that are streamed, and of those, the share the agent leaves before the end. */
  readonly streamed: number;
  readonly leaves: number;
  readonly tools: boolean;
  readonly thinks: boolean;
  /** What it works on; opens each question. */
  readonly work: readonly string[];
}

/** Every priority on each API; P0 to P3 from top to bottom. */
export const CAST: readonly Part[] = [
  {
    agent: "support-triage-demo",
    api: "anthropic",
    rhythm: "office",
    runsPerHour: 260,
    tier: "L",
    turns: [2, 3],
    maxTokens: 500,
    questionBytes: [300, 900],
    instructionBytes: 6_000,
    streamed: 0.7,
    leaves: 0.04,
    tools: true,
    thinks: false,
    work: [
      "A customer writes about order",
      "A customer was charged twice for order",
      "Where is order",
    ],
  },
  {
    agent: "checkout-assistant",
    api: "openai",
    rhythm: "office",
    runsPerHour: 220,
    tier: "M",
    turns: [1, 3],
    maxTokens: 400,
    questionBytes: [200, 500],
    instructionBytes: 5_000,
    streamed: 1,
    leaves: 0.08,
    tools: true,
    thinks: false,
    work: ["The shopper asks about delivery of cart", "The shopper wants to pay in parts for cart"],
  },
  {
    agent: "code-review",
    api: "anthropic",
    rhythm: "office",
    runsPerHour: 90,
    tier: "L",
    turns: [3, 7],
    maxTokens: 900,
    questionBytes: [1_500, 5_000],
    instructionBytes: 9_000,
    streamed: 0.5,
    leaves: 0.05,
    tools: false,
    thinks: false,
    work: ["Review the next file of change", "Look again at the test of change"],
  },
  {
    agent: "invoice-matching",
    api: "openai",
    rhythm: "steady",
    runsPerHour: 120,
    tier: "M",
    turns: [1, 2],
    maxTokens: 500,
    questionBytes: [800, 2_000],
    instructionBytes: 3_000,
    streamed: 0,
    leaves: 0,
    tools: false,
    thinks: false,
    work: ["Match the delivery note to invoice", "Find the purchase order of invoice"],
  },
  {
    agent: "research",
    api: "anthropic",
    rhythm: "office",
    runsPerHour: 70,
    tier: "auto",
    turns: [3, 8],
    maxTokens: 2_500,
    questionBytes: [600, 2_500],
    instructionBytes: 3_000,
    streamed: 1,
    leaves: 0.1,
    tools: false,
    thinks: true,
    work: ["Compare the sources on question", "Summarise what speaks against hypothesis"],
  },
  {
    agent: "lead-scoring",
    api: "openai",
    rhythm: "steady",
    runsPerHour: 80,
    tier: "L",
    turns: [1, 4],
    maxTokens: 600,
    questionBytes: [500, 1_500],
    instructionBytes: 1_000,
    streamed: 0.2,
    leaves: 0,
    tools: false,
    thinks: false,
    work: ["Score lead", "Explain the score of lead"],
  },
  {
    agent: "nightly-batch",
    api: "anthropic",
    rhythm: "night",
    runsPerHour: 120,
    tier: "L",
    turns: [3, 6],
    maxTokens: 700,
    questionBytes: [1_000, 3_000],
    instructionBytes: 0,
    streamed: 0,
    leaves: 0,
    tools: false,
    thinks: false,
    work: ["Classify the records of lot", "Rewrite the product texts of lot"],
  },
  {
    agent: "data-cleanup",
    api: "openai",
    rhythm: "night",
    runsPerHour: 360,
    tier: "L",
    turns: [2, 5],
    maxTokens: 600,
    questionBytes: [1_000, 3_000],
    instructionBytes: 0,
    streamed: 0,
    leaves: 0,
    tools: false,
    thinks: false,
    work: ["Repair the addresses of lot", "Merge the duplicates of lot"],
  },
];

const LANES = { anthropic: ["anthropic", "claude"], openai: ["openai", "gpt"] } as const;

/** The model that a part asks for, by the lane catalogue. @throws Error when the lane has no such tier. */
export function modelFor(part: Pick<Part, "api" | "tier">): string {
  if (part.tier === "auto") return "auto";
  const [provider, family] = LANES[part.api];
  const lane = builtInLanes().find(
    (candidate) =>
      candidate.provider === provider &&
      candidate.family === family &&
      candidate.region === "global",
  );
  const model = lane?.tiers.find(({ tier }) => tier === part.tier)?.model;
  if (model === undefined)
    throw new Error(`the lane ${provider}/${family}/global has no tier ${part.tier}`);
  return model;
}
