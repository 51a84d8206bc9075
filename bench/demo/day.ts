import type { Rhythm } from "./cast.ts";

/** Share of the busiest hour by hour of the day. Never near nothing: there is always something to see. */
const SHAPE: { readonly [R in Rhythm]: readonly number[] } = {
  office: [
    0.2, 0.2, 0.2, 0.2, 0.2, 0.25, 0.35, 0.5, 0.75, 0.95, 1, 1, 0.8, 0.85, 1, 1, 0.9, 0.75, 0.55,
    0.45, 0.4, 0.35, 0.3, 0.25,
  ],
  night: [
    1, 1, 1, 0.95, 0.9, 0.7, 0.6, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5,
    0.55, 0.65, 0.8, 0.9,
  ],
  steady: Array.from({ length: 24 }, () => 0.8),
};

/** How busy an agent is at a time of its day, as a share of its busiest hour; between hours it slides. */
export function busyness(rhythm: Rhythm, time: Date): number {
  const shape = SHAPE[rhythm];
  const hour = time.getHours();
  const here = shape[hour] ?? 0;
  const next = shape[(hour + 1) % 24] ?? 0;
  return here + ((next - here) * time.getMinutes()) / 60;
}

/** Milliseconds to the next run: exponential, so that runs bunch up as real ones do. */
export function untilNextRun(runsPerHour: number, random: () => number): number {
  return (-Math.log(1 - random()) * 3_600_000) / runsPerHour;
}
