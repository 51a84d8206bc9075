/** Percentiles of one kind of operation, in ms with three decimals. */
export interface Latencies {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

const round = (ms: number) => Math.round(ms * 1_000) / 1_000;

/** Nearest-rank percentiles; all zero for no samples. */
export function latencies(samples: readonly number[]): Latencies {
  const sorted = Float64Array.from(samples).sort();
  const at = (share: number) =>
    round(sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0);
  return { max: at(1), p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

/** The difference of two distributions, percentile by percentile. */
export function difference(a: Latencies, b: Latencies): Latencies {
  return {
    max: round(a.max - b.max),
    p50: round(a.p50 - b.p50),
    p95: round(a.p95 - b.p95),
    p99: round(a.p99 - b.p99),
  };
}
