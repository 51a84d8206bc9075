/** Measures a page while it works: frames, long tasks, the main thread's share, memory. */
import type { Page } from "playwright-core";

/** What a stretch of time was like for a page. */
export interface FrameRow {
  /** Frames a second that its animation callback was called for. */
  readonly fps: number;
  /** The longest task of the main thread, in ms; 0 where none took 50 ms. */
  readonly long_task_ms_max: number;
  /** From 0 to 1: how much of the time the main thread was at work. */
  readonly main_thread_share: number;
  /** Live JavaScript objects, in MB, after a collection. */
  readonly heap_mb_start: number;
  readonly heap_mb_end: number;
}

/** Text, because it runs in the page and this file is checked without a browser's types. */
const PROBE = `(() => {
  const probe = { frames: 0, longest: 0 };
  window.__probe = probe;
  const frame = () => { probe.frames += 1; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) probe.longest = Math.max(probe.longest, duration);
  }).observe({ entryTypes: ["longtask"] });
})()`;

/** Measures a page for so many seconds. */
export async function measureFrames(page: Page, seconds: number): Promise<FrameRow> {
  const debug = await page.context().newCDPSession(page);
  await debug.send("Performance.enable");
  const busySeconds = async () => {
    const { metrics } = await debug.send("Performance.getMetrics");
    return metrics.find(({ name }) => name === "TaskDuration")?.value ?? 0;
  };
  const heapMb = async () => {
    await debug.send("HeapProfiler.collectGarbage");
    const { usedSize } = await debug.send("Runtime.getHeapUsage");
    return round(usedSize / 1024 ** 2, 1);
  };
  const heapStart = await heapMb();
  await page.evaluate(PROBE);
  const busyBefore = await busySeconds();
  const began = performance.now();
  await page.waitForTimeout(seconds * 1_000);
  const took = (performance.now() - began) / 1_000;
  const busy = (await busySeconds()) - busyBefore;
  const { frames, longest } = (await page.evaluate("window.__probe")) as {
    frames: number;
    longest: number;
  };
  const heapEnd = await heapMb();
  await debug.detach();
  return {
    fps: round(frames / took, 1),
    heap_mb_end: heapEnd,
    heap_mb_start: heapStart,
    long_task_ms_max: Math.round(longest),
    main_thread_share: round(busy / took, 3),
  };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
