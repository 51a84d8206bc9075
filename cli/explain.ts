import type { AuthorizeEntry } from "../ledger/entries.ts";
import { addUsd, formatUsd, type NanoUsd, nanoUsd, subtractUsd } from "../ledger/money.ts";
import { cliConfig } from "./config.ts";
import { workspaceOr } from "./engine-session.ts";
import { print, table } from "./output.ts";
import { lifeOf } from "./read-ledger.ts";

interface ExplainOptions {
  readonly workspace?: string;
  readonly json?: boolean;
}

/** Says why an authorization was decided as it was: the rule, every tier's price, every cap. */
export async function explain(id: string, options: ExplainOptions): Promise<void> {
  const config = cliConfig();
  const ws = await workspaceOr(config, options.workspace);
  const { lines, opening } = await lifeOf(config, ws, id);
  if (options.json === true) return print(lines[0] ?? "");
  print(explanation(opening));
}

const RULE_WORDS: Readonly<Record<AuthorizeEntry["reason"], string>> = {
  frozen: "the agent is frozen",
  "heaviest-fit": "the heaviest tier that fits every cap",
  "model-not-in-lane": "the model asked for is not one of the agent's lane",
  "monthly-cap": "a monthly cap has less left than the cheapest tier costs",
  "no-eligible-tier": "no tier of the lane can serve this request",
  "per-run-cap": "the run has less left than the cheapest tier costs",
  "per-run-tier-down": "the run has less left than the preferred tier costs",
  policy: "a policy rule refuses",
  "priority-rebalance": "the caps tighten, and this priority gives way",
  "tool-quota": "the tool's quota is used up",
  unpriced: "the model has no price, and what has no price is never free",
  "yearly-cap": "a yearly cap has less left than the cheapest tier costs",
};

const dollars = (amount: NanoUsd) => `$${formatUsd(amount)}`;

/** The whole decision as a person reads it. */
export function explanation(entry: AuthorizeEntry): string {
  const outcome = entry.outcome.toUpperCase();
  const lines = [
    `${outcome} by rule ${entry.rule}: ${RULE_WORDS[entry.reason]}.`,
    "",
    `  authorization  ${entry.authorization} (entry ${entry.seq})`,
    `  at             ${new Date(entry.at).toISOString()}`,
    `  agent          ${entry.agent}, priority ${entry.priority}, run ${entry.run}`,
    `  asked for      ${entry.model}${entry.preferred === undefined ? "" : ` (tier ${entry.preferred})`}`,
    entry.grant === undefined
      ? "  granted        nothing; the call does not go out"
      : `  granted        tier ${entry.grant.tier}, ${entry.grant.model}, holding ${dollars(entry.held)}`,
    ...contextLines(entry),
    "",
    "Worst-case cost of each tier:",
    tierTable(entry),
    "",
    "Every cap that applied:",
    capTable(entry),
  ];
  return lines.join("\n");
}

function contextLines(entry: AuthorizeEntry): string[] {
  const lines: string[] = [];
  if (entry.pace !== undefined) {
    const percent = `${entry.pace.value / 100n}.${(entry.pace.value % 100n).toString().padStart(2, "0")}`;
    lines.push(`  pace           ${percent} % on ${entry.pace.cap}`);
  }
  if (entry.ceiling !== undefined) lines.push(`  ceiling        ${entry.ceiling}`);
  if (entry.floor !== undefined) lines.push(`  floor          ${entry.floor}`);
  if (entry.policy_rule !== undefined) {
    const { file, line, source } = entry.policy_rule;
    lines.push(`  policy rule    ${file}:${line}: ${source}`);
  }
  if (entry.blocked_by === "holds") {
    lines.push(
      "  blocked by     holds that are not spent yet: some of it comes back as calls settle",
    );
  }
  return lines;
}

function tierTable(entry: AuthorizeEntry): string {
  const rows = entry.tiers.map((tier) => [
    `  ${tier.tier}`,
    tier.model,
    tier.amount === undefined ? "no price" : dollars(tier.amount),
    tier.skip ?? "eligible",
    entry.grant?.tier === tier.tier ? "← granted" : "",
  ]);
  return rows.length === 0 ? "  none: the model is not of the lane" : table(rows);
}

/** Before, asked, after and whether it fits, for every cap; caps without a limit say so. */
function capTable(entry: AuthorizeEntry): string {
  const failing = new Map((entry.failing ?? []).map((fail) => [fail.cap, fail.shortfall]));
  const rows = entry.legs.map((leg) => {
    const used = subtractUsd(addUsd(leg.settled, leg.held), entry.held);
    const short = failing.get(leg.cap);
    return [
      `  ${leg.cap}`,
      leg.period.startsWith("auth_") ? "this call" : leg.period,
      dollars(used),
      dollars(entry.held),
      leg.limit === undefined ? "no limit" : dollars(leg.limit),
      leg.limit === undefined ? "" : dollars(remaining(leg.limit, leg)),
      short === undefined ? "fits" : `SHORT by ${dollars(short)}`,
    ];
  });
  return table([["  CAP", "PERIOD", "BEFORE", "HELD", "LIMIT", "LEFT", ""], ...rows]);
}

function remaining(limit: NanoUsd, leg: AuthorizeEntry["legs"][number]): NanoUsd {
  return nanoUsd(limit - leg.settled - leg.held);
}
