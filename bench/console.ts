/**
 * How the live page holds up: the built page in Chromium over a made-up stream of decisions, each rate in
 * a page of its own. The stream comes from this process, so it takes its share of the machine's cores.
 */
import { buildPages } from "../console/build.ts";
import { launchChromium, openPage } from "./console/chromium.ts";
import { FakeConsole } from "./console/fake-console.ts";
import { type FrameRow, measureFrames } from "./console/frame-probe.ts";
import { type BenchOptions, type BenchRun, note } from "./measure/bench-run.ts";
import { reportHead } from "./measure/report.ts";

/** Decisions a second. */
const RATES = [0, 100, 1_000, 5_000];
/** What the page must hold, at up to so many decisions a second. */
const FPS_MIN = 50;
const RATE_HELD = 1_000;
/** Until the first frames have come and charts are drawn, in ms. */
const WARM_UP_MS = 3_000;

interface Row extends FrameRow {
  readonly rate: number;
}

export async function consoleFrames(options: BenchOptions): Promise<BenchRun> {
  await buildPages();
  const browser = await launchChromium();
  const rows: Row[] = [];
  try {
    for (const rate of RATES) {
      const served = new FakeConsole();
      served.world.run(Date.now() - 60_000, Date.now(), 10);
      const { context, page } = await openPage(browser, await served.start());
      served.pace(rate);
      await page.goto("/operations/live");
      await page.locator('[data-standing="live"]').waitFor();
      await page.waitForTimeout(WARM_UP_MS);
      const row = { rate, ...(await measureFrames(page, options.seconds)) };
      note(`${rate} decisions a second: ${row.fps} frames a second`);
      rows.push(row);
      await context.close();
      await served.stop();
    }
    const pass = rows.every(({ fps, rate }) => rate > RATE_HELD || fps >= FPS_MIN);
    const versions = { nats: "none", postgres: "none" };
    return { ...reportHead("console", versions), chromium: browser.version(), pass, rows };
  } finally {
    await browser.close();
  }
}
