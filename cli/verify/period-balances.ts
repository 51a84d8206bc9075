import { isLifeEntry, type LifeEntry, movementOf } from "../../actors/record.ts";
import { RUN_KEPT_MS } from "../../actors/state.ts";
import { capKind, counterKey } from "../../ledger/caps.ts";
import { authorizationIdSchema, type Entry, type Leg } from "../../ledger/entries.ts";
import { leastUsd, type NanoUsd, nanoUsd, ZERO_USD } from "../../ledger/money.ts";
import { decimal, type Infer, instant, list, object, text, token } from "../../ledger/schema.ts";
import { amount, name, signedAmount } from "../../ledger/workspace-config.ts";

const MANY = 100_000_000;

/** `opening.json`: what stood before the first line of a period. */
export const openingSchema = object({
  counters: list(
    object({ cap: text(200), held: amount, period: text(200), settled: signedAmount }),
    MANY,
  ),
  first_seq: decimal(1n),
  from: instant,
  open: list(object({ authorization: authorizationIdSchema, held: amount }), MANY),
  period: text(80),
  prev: token(/^[0-9a-f]{64}$/, "a hex SHA-256"),
  to: instant,
  ws: name,
});
export type Opening = Infer<typeof openingSchema>;

interface Standing {
  held: NanoUsd;
  settled: NanoUsd;
  /** Ledger time of the last line that moved it, ms; unknown before the first. */
  lastAt: number | undefined;
}

/** Follows the balances of a period from what its opening says; a line that disagrees is found. */
export class PeriodBalances {
  readonly #opening: Opening;
  readonly #counters = new Map<string, Standing>();
  /** What each authorization still holds; none where it was opened before and is not open. */
  readonly #held = new Map<string, NanoUsd>();

  constructor(opening: Opening) {
    this.#opening = opening;
    for (const { cap, held, period, settled } of opening.counters) {
      this.#counters.set(counterKey(cap, period), { held, lastAt: undefined, settled });
    }
    for (const { authorization, held } of opening.open) this.#held.set(authorization, held);
  }

  /** @returns what the next entry moves, states or admits that it must not */
  next(entry: Entry): string | undefined {
    const { from, to, ws } = this.#opening;
    if (entry.ws !== ws) return `its workspace is ${entry.ws}, that of opening.json ${ws}`;
    if (entry.at < from || entry.at >= to) return "it does not lie in the period of opening.json";
    return isLifeEntry(entry) ? this.#move(entry) : undefined;
  }

  #move(entry: LifeEntry): string | undefined {
    const { authorization, legs } = entry;
    const held = this.#held.get(authorization) ?? ZERO_USD;
    const problem = this.#misplaced(entry, held);
    if (problem !== undefined) return problem;
    const movement = movementOf(entry, held);
    for (const leg of legs) {
      const wrong = this.#moveLeg(leg, movement, entry.at);
      if (wrong !== undefined) return wrong;
    }
    this.#held.set(authorization, nanoUsd(held + movement.held));
    return undefined;
  }

  /** Where an entry cannot stand in its authorization's life, as far as a period tells. */
  #misplaced(entry: LifeEntry, held: NanoUsd): string | undefined {
    switch (entry.kind) {
      case "authorize": {
        if (this.#held.has(entry.authorization)) return `${entry.authorization} is not new`;
        if (entry.outcome === "hold") {
          return entry.held === 0n ? undefined : "it is refused and holds money";
        }
        const over = entry.legs.find(
          (leg) => leg.limit !== undefined && leg.settled + leg.held > leg.limit,
        );
        return over === undefined ? undefined : `it admits over ${over.cap}`;
      }
      case "settle": {
        const overage = entry.amount - leastUsd(entry.amount, held);
        return entry.overage === overage ? undefined : `its overage is not ${overage}`;
      }
      case "adjust":
        return undefined;
      case "expire":
      case "release":
      case "void":
        return entry.amount === held ? undefined : `its amount is not the ${held} still held`;
    }
  }

  #moveLeg(leg: Leg, movement: ReturnType<typeof movementOf>, at: number): string | undefined {
    const key = counterKey(leg.cap, leg.period);
    const known = this.#counters.get(key);
    const before = known === undefined || isOver(known, leg.cap, at) ? ZERO : known;
    const agrees =
      leg.held === before.held + movement.held && leg.settled === before.settled + movement.settled;
    if (!agrees) return `the balance of ${key} is not what its entries add up to`;
    if (leg.held < 0n) return `${key} holds less than nothing`;
    this.#counters.set(key, { held: leg.held, lastAt: at, settled: leg.settled });
    return undefined;
  }
}

const ZERO: Standing = { held: ZERO_USD, lastAt: undefined, settled: ZERO_USD };

function isOver({ held, lastAt }: Standing, cap: string, at: number): boolean {
  return (
    capKind(cap) === "run" && held === 0n && lastAt !== undefined && lastAt + RUN_KEPT_MS <= at
  );
}
