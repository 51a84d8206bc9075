/**
 * Goal: the live page stays quick when much happens, loses nothing that it cannot show at once, and is
 * small to load.
 * Method: the built page over a made-up stream at rates that a real system would take the machine for.
 */
import { gzipSync } from "node:zlib";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasChromium, launchChromium, openPage } from "../../bench/console/chromium.ts";
import { FakeConsole } from "../../bench/console/fake-console.ts";
import { measureFrames } from "../../bench/console/frame-probe.ts";
import { buildPages } from "../build.ts";

/** Of JavaScript, gzipped, until the first live screen stands. */
const FIRST_SCREEN_BYTES_MAX = 130 * 1_024;
const FPS_MIN = 50;

let browser: Browser;
let served: FakeConsole;
let url: string;

beforeAll(async () => {
  if (!hasChromium()) return;
  await buildPages();
  served = new FakeConsole();
  served.world.run(Date.now() - 60_000, Date.now(), 2);
  url = await served.start();
  browser = await launchChromium();
});

afterAll(async () => {
  await browser?.close();
  await served?.stop();
});

async function livePage() {
  const watched = await openPage(browser, url);
  await watched.page.goto("/operations/live");
  await watched.page.locator('[data-standing="live"]').waitFor();
  return watched;
}

/** Every authorization of the list, read by scrolling from the top to its end. */
async function readAll(page: Page): Promise<string[]> {
  const list = page.getByRole("table", { name: "Decisions, the latest first" });
  const found = new Map<number, string>();
  for (;;) {
    const rows = await page.locator('[role="row"]:has(a[data-authorization])').evaluateAll((all) =>
      all.map((row) => ({
        id: row.querySelector("[data-authorization]")?.getAttribute("data-authorization") ?? "",
        place: Number(row.getAttribute("aria-rowindex")),
      })),
    );
    for (const { id, place } of rows) found.set(place, id);
    const moved = await list.evaluate((element) => {
      const before = element.scrollTop;
      element.scrollTop += element.clientHeight - 80;
      return element.scrollTop !== before;
    });
    await page.waitForTimeout(120);
    if (!moved && (await page.getByText("The ledger begins here.").isVisible())) break;
  }
  return [...found].sort(([a], [b]) => a - b).map(([, id]) => id);
}

const everything = () =>
  served.world.decisions({ limit: "1000000" }).rows.map(({ authorization }) => authorization);

describe.skipIf(!hasChromium())("live page (needs chromium: apt-get install chromium)", () => {
  test("is small: the first live screen loads at most 130 kB of JavaScript", async () => {
    const { context, page, sins } = await openPage(browser, url);
    const sizes: Promise<number>[] = [];
    page.on("response", (response) => {
      if (!new URL(response.url()).pathname.endsWith(".js")) return;
      sizes.push(response.body().then((body) => gzipSync(body).length));
    });
    await page.goto("/operations/live");
    await page.locator('[data-standing="live"]').waitFor();
    const bytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
    expect(bytes).toBeGreaterThan(20_000);
    expect(bytes).toBeLessThanOrEqual(FIRST_SCREEN_BYTES_MAX);
    expect(sins).toEqual([]);
    await context.close();
  });

  test("pause, a burst, resume: what is too much to show can be shown, and nothing is lost", async () => {
    const { context, page } = await livePage();
    await page.getByRole("button", { name: "Pause live updates" }).click();
    served.world.run(Date.now(), Date.now() + 1_000, 250);
    await page.getByText("Paused · 250 new").waitFor();
    await page.getByRole("button", { name: "Resume live updates" }).click();
    await page.getByText(/more decisions, faster than they can be shown/).waitFor();
    await page.getByRole("button", { name: "Show them" }).click();
    await page.getByText(/more decisions, faster/).waitFor({ state: "detached" });
    expect(await readAll(page)).toEqual(everything());
    await context.close();
  });

  test("scrolled down: stands still, counts what is new, and a press goes on", async () => {
    const { context, page } = await livePage();
    const list = page.getByRole("table", { name: "Decisions, the latest first" });
    await list.evaluate((element) => {
      element.scrollTop = 400;
    });
    // What stands at one place of the window; rows are made as they come into sight.
    const atOnePlace = () =>
      list.evaluate((element) => {
        const { left, top } = element.getBoundingClientRect();
        const found = document.elementFromPoint(left + 40, top + 120);
        return found?.closest("[data-authorization]")?.getAttribute("data-authorization") ?? "";
      });
    let before = "";
    await expect
      .poll(async () => {
        const last = before;
        before = await atOnePlace();
        return before !== "" && before === last;
      })
      .toBe(true);
    served.world.run(Date.now(), Date.now() + 1_000, 5);
    await page.getByRole("button", { name: "5 new" }).waitFor();
    expect(await atOnePlace()).toBe(before);
    await page.getByRole("button", { name: "5 new" }).click();
    const [latest = ""] = everything();
    await page.locator(`[data-authorization="${latest}"]`).waitFor();
    await context.close();
  });

  test("more than the page keeps is fetched again when somebody scrolls down to it", async () => {
    const { context, page } = await livePage();
    served.world.run(Date.now(), Date.now() + 1_000, 40);
    await page.locator(`[data-authorization="${everything()[0] ?? ""}"]`).waitFor();
    expect(await readAll(page)).toEqual(everything());
    await context.close();
  });

  test("a thousand decisions a second: at least 50 frames a second", async () => {
    const { context, page, sins } = await livePage();
    served.pace(1_000);
    await page.waitForTimeout(2_000);
    const row = await measureFrames(page, 6);
    served.pace(0);
    expect(row.fps, JSON.stringify(row)).toBeGreaterThanOrEqual(FPS_MIN);
    expect(row.heap_mb_end).toBeLessThan(row.heap_mb_start + 40);
    expect(sins).toEqual([]);
    await context.close();
  });

  test("signed out in the middle: the page says so", async () => {
    const { context, page } = await livePage();
    served.signedIn = false;
    served.cut(4003);
    await page.waitForURL("**/signed-out?from=*");
    served.signedIn = true;
    await context.close();
  });
});
