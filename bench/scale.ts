import type { BenchOptions, BenchRun } from "./measure/bench-run.ts";
export const SCALE_PARTS = ["rows", "flat"] as const;
export function scale(_options: BenchOptions): Promise<BenchRun> {
  return Promise.reject(new Error("later"));
}
