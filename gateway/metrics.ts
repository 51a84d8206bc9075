import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Telemetry } from "./ports.ts";

/** Bounds of latency buckets, in seconds: a synced append is about one ms, a long answer minutes. */
const SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 3, 10, 60, 600];

/** What is read only when somebody looks. */
export interface Levels {
  readonly inFlight: () => number;
  readonly owed: () => number;
  readonly running: () => number;
}

/** Metrics of one gateway, for `/metrics`. Names begin with `tarmac_gateway_`. */
export class GatewayMetrics implements Telemetry {
  readonly registry = new Registry();
  readonly #calls: Counter<"how" | "surface">;
  readonly #settles: Counter<"basis" | "way">;
  readonly #alarms: Counter<"what">;
  readonly #stages: Histogram<"stage">;

  constructor() {
    const registers = [this.registry];
    this.#calls = new Counter({
      name: "tarmac_gateway_calls_total",
      help: "Calls by how they ended: an outcome, a refusal's code, or a provider's fault",
      labelNames: ["surface", "how"],
      registers,
    });
    this.#settles = new Counter({
      name: "tarmac_gateway_settles_total",
      help: "Settles by basis, and whether the engine acked them in time or the outbox took over",
      labelNames: ["basis", "way"],
      registers,
    });
    this.#alarms = new Counter({
      name: "tarmac_gateway_alarms_total",
      help: "Somebody has to look",
      labelNames: ["what"],
      registers,
    });
    this.#stages = new Histogram({
      name: "tarmac_gateway_stage_seconds",
      help: "Time of one stage of a call",
      labelNames: ["stage"],
      buckets: SECONDS,
      registers,
    });
    collectDefaultMetrics({ register: this.registry });
  }

  /** Adds gauges that read the gateway's present state. */
  watch(levels: Levels): void {
    const gauge = (name: string, help: string, read: () => number) =>
      new Gauge({
        name: `tarmac_gateway_${name}`,
        help,
        registers: [this.registry],
        collect() {
          this.set(read());
        },
      });
    gauge("holds_in_flight", "Holds that this gateway renews", levels.inFlight);
    gauge("outbox_owed", "Settles and voids that the engine has not acked", levels.owed);
    gauge("calls_running", "Calls under way, drains included", levels.running);
  }

  ended(surface: string, how: string): void {
    this.#calls.inc({ surface, how });
  }

  settled(basis: "assumed" | "measured", way: "acked" | "owed"): void {
    this.#settles.inc({ basis, way });
  }

  alarm(what: string): void {
    this.#alarms.inc({ what });
  }

  took(stage: "authorize" | "first-byte" | "read" | "settle", ms: number): void {
    this.#stages.observe({ stage }, ms / 1_000);
  }
}
