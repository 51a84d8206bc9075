import { decodeEntry } from "../ledger/codec.ts";
import type { Entry } from "../ledger/entries.ts";
import { addUsd, formatUsd, type NanoUsd, subtractUsd } from "../ledger/money.ts";
import { cliConfig } from "./config.ts";
import { EngineSession, workspaceOr } from "./engine-session.ts";
import { Failure, note, print } from "./output.ts";

interface TailOptions {
  readonly workspace?: string;
  readonly agent?: string;
  readonly json?: boolean;
  readonly count?: string;
}

/** Prints entries as they are published, until Ctrl-C or so many. */
export async function tail(options: TailOptions): Promise<void> {
  const config = cliConfig();
  const ws = await workspaceOr(config, options.workspace);
  const most = options.count === undefined ? Number.POSITIVE_INFINITY : Number(options.count);
  if (!(most >= 1)) throw new Failure("--count: must be a number from 1", 2);
  const session = await EngineSession.open(config);
  note(`Entries of workspace ${ws} as they come; Ctrl-C ends.`);
  const subscription = session.nc.subscribe(`events.${ws}.*.${options.agent ?? "*"}`);
  process.once("SIGINT", () => subscription.unsubscribe());
  process.once("SIGTERM", () => subscription.unsubscribe());
  let shown = 0;
  for await (const message of subscription) {
    const line = message.string();
    const text = options.json === true ? line : lineOf(line);
    if (text === undefined) continue;
    print(text);
    shown += 1;
    if (shown >= most) break;
  }
  await session.close();
}

/** One entry on one line for a person; `undefined` for what only moves what another line says. */
function lineOf(json: string): string | undefined {
  const parsed = decodeEntry(json);
  if (!parsed.ok) return undefined;
  const entry = parsed.value;
  const text = describeEntry(entry);
  if (text === undefined) return undefined;
  const time = new Date(entry.at).toISOString().slice(11, 19);
  return `${time}Z ${text}`;
}

const dollars = (amount: NanoUsd) => `$${formatUsd(amount)}`;

/** What an entry did, in one line; releases are part of their settle and are left out. */
export function describeEntry(entry: Entry): string | undefined {
  switch (entry.kind) {
    case "authorize": {
      const { outcome, rule, reason } = entry;
      const what =
        entry.grant === undefined
          ? `${reason}${firstFailing(entry)}`
          : `${entry.grant.tier.padEnd(2)} ${entry.grant.model}  held ${dollars(entry.held)}${left(entry)}`;
      return `${outcome.toUpperCase().padEnd(8)} ${rule} ${entry.agent.padEnd(18)} ${what}  ${entry.authorization}`;
    }
    case "settle": {
      const marks = [
        entry.basis === "assumed" ? "assumed" : "",
        entry.late ? "late" : "",
        entry.overage > 0n ? `over the hold by ${dollars(entry.overage)}` : "",
      ].filter((mark) => mark !== "");
      const suffix = marks.length === 0 ? "" : `  (${marks.join(", ")})`;
      return `settle      ${entry.agent.padEnd(18)} ${dollars(entry.amount)}${suffix}  ${entry.authorization}`;
    }
    case "expire":
      return `EXPIRE      ${entry.agent.padEnd(18)} ${dollars(entry.amount)} ${entry.on_expiry}d  ${entry.authorization}`;
    case "void":
      return `void        ${(entry.agent ?? "").padEnd(18)} ${dollars(entry.amount)}  ${entry.reason}  ${entry.authorization}`;
    case "adjust":
      return `adjust      ${entry.agent.padEnd(18)} ${dollars(entry.amount)}  ${entry.reason}  ${entry.authorization}`;
    case "configure":
      return entry.commit
        ? `configure   by ${entry.by}: ${entry.changes.length} item(s)`
        : undefined;
    case "policy":
      return `policy      by ${entry.by}: ${entry.policy.rules.length} rule(s)`;
    case "price":
      return `price       card ${entry.price.card.slice(0, 12)}`;
    case "takeover":
      return `takeover    by ${entry.owner}, epoch ${entry.epoch}`;
    case "release":
      return undefined;
  }
}

function firstFailing(entry: Extract<Entry, { kind: "authorize" }>): string {
  const [first] = entry.failing ?? [];
  return first === undefined ? "" : `: ${first.cap} short by ${dollars(first.shortfall)}`;
}

/** The cap with the least left after the hold. */
function left(entry: Extract<Entry, { kind: "authorize" }>): string {
  let least: { cap: string; value: NanoUsd } | undefined;
  for (const leg of entry.legs) {
    if (leg.limit === undefined) continue;
    const value = subtractUsd(leg.limit, addUsd(leg.settled, leg.held));
    if (least === undefined || value < least.value) least = { cap: leg.cap, value };
  }
  return least === undefined ? "" : `  left ${dollars(least.value)} of ${least.cap}`;
}
