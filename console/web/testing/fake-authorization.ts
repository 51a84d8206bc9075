/** One authorization with something of everything: a failing cap, a passed-over tier, a policy rule. */
import type { Authorization, AuthorizationLeg } from "../../wire.ts";
import type { FakeLog } from "./fake-log.ts";

const AT = "2026-11-22T11:04:31.204Z";
const ID = "019aa5e1-7c00-7000-8000-000000000001";

function leg(
  cap: string,
  period: string,
  limit: bigint | undefined,
  settled: bigint,
): AuthorizationLeg {
  const amount = 410_250_000n;
  const over = limit === undefined ? 0n : settled + amount - limit;
  return {
    after_held_nano: "0",
    after_settled_nano: settled.toString(),
    amount_nano: amount.toString(),
    before_held_nano: "0",
    before_settled_nano: settled.toString(),
    cap,
    fits: over <= 0n,
    period,
    ...(limit !== undefined && { limit_nano: limit.toString() }),
    ...(over > 0n && { shortfall_nano: over.toString() }),
    ...(limit !== undefined && !period.startsWith("auth_") && { pace: "9721" }),
  };
}

/** A refusal for money. */
export function fakeRefusal(): Authorization {
  const month = "2026-11@Europe/Berlin";
  return {
    entries: [
      {
        amount_nano: "0",
        at: AT,
        hash: "5f3c1a0be77d4d0c9a1f5f3c1a0be77d4d0c9a1f5f3c1a0be77d4d0c9a1f0000",
        kind: "authorize",
        line: `{"agent":"nightly-report","at":"${AT}","authorization":"auth_${ID}","held":"0","kind":"authorize","outcome":"hold","reason":"monthly-cap","rule":"02","seq":"8812","v":1,"ws":"acme"}`,
        seq: "8812",
      },
    ],
    legs: [
      leg("agent:nightly-report/run", `auth_${ID}`, 5_000_000_000n, 0n),
      leg("agent:nightly-report/month", month, 7_500_000_000_000n, 4_650_000_000_000n),
      leg("cost_center:finance/month", month, undefined, 9_120_000_000_000n),
      leg("team:finance/month", month, 250_000_000_000n, 249_900_000_000n),
      leg("workspace:acme/month", month, 60_000_000_000_000n, 41_284_113_402_118n),
      leg(
        "agent:nightly-report/year",
        "2026@Europe/Berlin",
        90_000_000_000_000n,
        41_850_000_000_000n,
      ),
    ],
    pace: { cap: "team:finance/month", value: "9721" },
    policy_seq: "42",
    quotes: [
      { cost_nano: "410250000", granted: false, model: "claude-haiku-4-5", tier: "S" },
      { cost_nano: "1230750000", granted: false, model: "claude-sonnet-4-5", tier: "M" },
      { cost_nano: "2051250000", granted: false, model: "claude-sonnet-5", tier: "L" },
      { granted: false, model: "claude-opus-4-6", skip: "above-preferred", tier: "XL" },
    ],
    receipt: {
      agent: "nightly-report",
      assumed: false,
      at: AT,
      authorization: `auth_${ID}`,
      closed_at: AT,
      closed_seq: "8812",
      held_nano: "0",
      id: `rcpt_${ID}`,
      key: "key_0123456789abcdef",
      late: false,
      model: "claude-sonnet-5",
      open_nano: "0",
      opened_seq: "8812",
      outcome: "hold",
      overage_nano: "0",
      priority: "P3",
      provider: "anthropic-bedrock",
      reason: "monthly-cap",
      released_nano: "0",
      rule: "02",
      run: "report-2026-11-22",
      settled_nano: "0",
      state: "refused",
    },
    simulated: false,
    ws: "acme",
  };
}

/** An admission that was settled: its last entry is entry `seq` of a log. */
export function fakeSettled(log: FakeLog, seq: number): Authorization {
  const refusal = fakeRefusal();
  const line = log.lines[seq - 1] ?? "";
  const entry = (kind: string, place: number, at: string, amount: string) => ({
    amount_nano: amount,
    at,
    hash: log.hashOf(place),
    kind,
    line: log.lines[place - 1] ?? "",
    seq: String(place),
  });
  return {
    ...refusal,
    entries: [
      entry("authorize", seq - 2, AT, "86636000"),
      entry("settle", seq - 1, "2026-11-22T11:04:33.911Z", "34210001"),
      { ...entry("release", seq, "2026-11-22T11:04:33.911Z", "52425999"), line },
    ],
    legs: refusal.legs.map(({ shortfall_nano: _dropped, ...rest }) => ({
      ...rest,
      after_held_nano: "86636000",
      amount_nano: "86636000",
      fits: true,
    })),
    quotes: refusal.quotes.map((quote) => ({ ...quote, granted: quote.tier === "L" })),
    receipt: {
      ...refusal.receipt,
      closed_at: "2026-11-22T11:04:33.911Z",
      granted_model: "claude-sonnet-5",
      held_nano: "86636000",
      outcome: "admit",
      reason: "heaviest-fit",
      released_nano: "52425999",
      rule: "05",
      settled_nano: "34210001",
      state: "settled",
      tier: "L",
    },
  };
}
