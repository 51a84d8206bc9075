/**
 * Goal: the console shows the running system as it is: each call within a second, none lost or doubled
 * through pauses and cut lines, and every page reachable, accessible and strict.
 * Method: `tarmac up` as a user starts it, calls through its gateway with its key, and real Chromium.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  axe,
  hasChromium,
  launchChromium,
  NARROW,
  openPage,
  WIDE,
} from "../../bench/console/chromium.ts";
import { Installation } from "../../cli/e2e/tarmac.ts";
import { Line } from "./testing/line.ts";

/** Where photographs go when somebody wants to look at them. */
const photographs = process.env["TARMAC_TEST_PHOTOGRAPHS"];

let installation: Installation;
let line: Line;
let browser: Browser;
let key: string;
let model: string;

beforeAll(async () => {
  if (!hasChromium()) return;
  installation = await Installation.create({ TARMAC_NODES: "1" });
  const { banner } = await installation.up();
  key = /x-api-key: (\S+)'/.exec(banner)?.[1] ?? "";
  model = /"model":"([^"]+)"/.exec(banner)?.[1] ?? "";
  line = await Line.open(installation.consolePort);
  browser = await launchChromium();
  await call();
}, 240_000);

afterAll(async () => {
  await browser?.close();
  await line?.close();
  await installation?.remove();
});

/** One call through the gateway. @returns the id of its authorization */
async function call(headers: Record<string, string> = {}): Promise<string> {
  const response = await fetch(`${installation.url}/v1/anthropic/v1/messages`, {
    body: JSON.stringify({
      max_tokens: 16,
      messages: [{ content: "Say hello.", role: "user" }],
      model,
    }),
    headers: {
      "anthropic-version": "2023-06-01",
      "content-type": "application/json",
      "x-api-key": key,
      ...headers,
    },
    method: "POST",
  });
  await response.text();
  const id = response.headers.get("x-tarmac-authorization");
  if (id === null)
    throw new Error(`the gateway answered ${response.status} without an authorization`);
  return id;
}

/** A page of somebody who has just signed in. */
async function signedIn(path: string, options: Parameters<typeof openPage>[2] = {}) {
  const watched = await openPage(browser, line.url, options);
  const { code, stdout, stderr } = await installation.run("console", "--link");
  if (code !== 0) throw new Error(stderr);
  const token = new URL(stdout.trim()).searchParams.get("token") ?? "";
  await watched.page.goto(`/sign-in?token=${token}`);
  await watched.page.goto(path);
  return watched;
}

/** Live, with what there was before on the screen. */
async function ready(page: Page): Promise<void> {
  await standing(page, "live");
  await page.locator("a[data-authorization]").first().waitFor();
}

const standing = (page: Page, kind: string) =>
  page.locator(`[data-standing="${kind}"]`).waitFor({ timeout: 25_000 });
/** Authorizations of the rows that are in the page, from the top. */
const shownRows = (page: Page) =>
  page.locator('[role="row"] a[data-authorization]').evaluateAll((links) =>
    links
      .map((link) => [
        link.closest('[role="row"]')?.getAttribute("aria-rowindex") ?? "",
        link.getAttribute("data-authorization") ?? "",
      ])
      .sort(([a], [b]) => Number(a) - Number(b))
      .map(([, id]) => id ?? ""),
  );
const rowOf = (page: Page, id: string) => page.locator(`a[data-authorization="${id}"]`);

describe.skipIf(!hasChromium())("console in Chromium", () => {
  test("live: a call is on the screen within a second", async () => {
    const { context, page, sins } = await signedIn("/operations/live");
    await ready(page);
    const slow: number[] = [];
    for (let i = 0; i < 5; i += 1) {
      const id = await call();
      const answered = performance.now();
      await rowOf(page, id).waitFor({ timeout: 5_000 });
      slow.push(performance.now() - answered);
    }
    expect(Math.max(...slow), slow.map(Math.round).join(", ")).toBeLessThan(1_000);
    expect(sins).toEqual([]);
    await context.close();
  });

  test("live: pause stands still and resume loses nothing", async () => {
    const { context, page } = await signedIn("/operations/live");
    await ready(page);
    const before = await shownRows(page);
    await page.getByRole("button", { name: "Pause live updates" }).click();
    const made: string[] = [];
    for (let i = 0; i < 4; i += 1) made.unshift(await call());
    await page.getByText("Paused · 4 new").waitFor();
    expect(await shownRows(page)).toEqual(before);
    await page.getByRole("button", { name: "Resume live updates" }).click();
    await rowOf(page, made[0] ?? "").waitFor();
    expect((await shownRows(page)).slice(0, 4 + before.length)).toEqual(
      [...made, ...before].slice(0, (await shownRows(page)).length),
    );
    await context.close();
  });

  test("live: silence shows as stale and heals without reload", async () => {
    const { context, page } = await signedIn("/operations/live");
    await ready(page);
    const before = await shownRows(page);
    await page.evaluate(() => Object.assign(window, { untouched: true }));
    line.silence();
    const lost = await call();
    await standing(page, "stale");
    await page.getByText(/What you see is \d+\ss old/).waitFor();
    expect(await page.locator('[data-old="true"]').count()).toBe(1);
    line.mend();
    await standing(page, "live");
    await rowOf(page, lost).waitFor();
    const after = await shownRows(page);
    expect(after.slice(0, 1 + before.length)).toEqual([lost, ...before].slice(0, after.length));
    expect(await page.locator('[data-old="true"]').count()).toBe(0);
    expect(await page.evaluate(() => "untouched" in window)).toBe(true);
    await context.close();
  });

  test("live: a cut line is made again, and what happened meanwhile is there once", async () => {
    const { context, page } = await signedIn("/operations/live");
    await ready(page);
    const before = await shownRows(page);
    line.cut();
    const lost = [await call(), await call()];
    await standing(page, "reconnecting");
    line.mend();
    await standing(page, "live");
    const last = await call();
    await rowOf(page, last).waitFor();
    const after = await shownRows(page);
    const wanted = [last, ...lost.toReversed(), ...before];
    expect(after).toEqual(wanted.slice(0, after.length));
    await context.close();
  });

  test("a row leads to its authorization, its receipt, which proves itself, and back", async () => {
    const id = await call();
    const { context, page, sins } = await signedIn("/operations/live");
    await rowOf(page, id).click();
    await page.waitForURL(`**/operations/authorizations/${id}`);
    await page.getByRole("heading", { name: "Every cap that applied" }).waitFor();
    await page.getByText("Heaviest tier that fits every cap").first().waitFor();
    await page.getByRole("link", { name: "Receipt and proof" }).click();
    await page.locator('[data-verdict="genuine"]').waitFor({ timeout: 30_000 });
    expect(await page.locator('[data-step][data-state="good"]').count()).toBe(6);
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download the proof" }).click();
    expect((await download).suggestedFilename()).toMatch(/^rcpt_[0-9a-f-]+\.tlog-proof$/);
    await page.goBack();
    await page.waitForURL(`**/operations/authorizations/${id}`);
    await page.goBack();
    await page.waitForURL("**/operations/live");
    await rowOf(page, id).waitFor();
    expect(sins).toEqual([]);
    await context.close();
  });

  test("live: filters stand in the address, and the address brings them back", async () => {
    const { context, page } = await signedIn("/operations/live");
    await ready(page);
    await page.getByRole("button", { exact: true, name: "hold" }).click();
    await page.waitForURL("**/operations/live?outcome=hold");
    await page.getByText("No decisions under this filter").waitFor();
    await page.reload();
    await page.getByText("No decisions under this filter").waitFor();
    await page.getByRole("button", { name: "Clear the filter" }).click();
    await rowOf(page, await call()).waitFor();
    await context.close();
  });

  test("agents: sorted by the address, with what was spent", async () => {
    const { context, page } = await signedIn("/operations/agents?sort=agent");
    const head = page.getByRole("columnheader", { name: "Agent" });
    await head.waitFor();
    expect(await head.getAttribute("aria-sort")).toBe("ascending");
    await page.getByRole("button", { name: "This month" }).click();
    await page.waitForURL("**/operations/agents?sort=-month");
    expect(await page.getByRole("row").count()).toBeGreaterThan(1);
    await context.close();
  });

  test("nodes: every shard with the worker that decides it", async () => {
    const { context, page, sins } = await signedIn("/operations/live");
    await page.getByRole("link", { name: "Nodes" }).click();
    await page.waitForURL("**/operations/nodes");
    const decided = page.locator("tr[data-shard]").filter({ hasText: "Decides" });
    await decided.filter({ hasText: "node-1-0" }).nth(3).waitFor();
    expect(await decided.count()).toBe(4);
    expect(sins).toEqual([]);
    await context.close();
  });

  test("r: any id leads to its page, an unknown one says so", async () => {
    const id = await call();
    const { context, page } = await signedIn(`/r/${id}`);
    await page.waitForURL(`**/operations/authorizations/${id}`);
    await page.goto(`/r/${id.replace("auth_", "rcpt_")}`);
    await page.waitForURL(/\/(receipts|operations)\//);
    await page.goto("/r/nobody-knows-this");
    await page.getByText(/Quote this id/).waitFor();
    await context.close();
  });

  test("signed out: says how to come back, and where from", async () => {
    const { context, page } = await openPage(browser, line.url);
    await page.goto("/operations/agents");
    await page.waitForURL("**/signed-out?from=*");
    await page.getByText("npx tarmac console --link").waitFor();
    expect(await page.getByRole("link").getAttribute("href")).toBe("/operations/agents");
    await context.close();
  });

  describe("every page, in both themes and sizes", () => {
    const pages = async (): Promise<readonly (readonly [name: string, path: string])[]> => {
      const id = await call();
      return [
        ["live", "/operations/live"],
        ["agents", "/operations/agents"],
        ["nodes", "/operations/nodes"],
        ["authorization", `/operations/authorizations/${id}`],
        ["receipt", `/receipts/${id}`],
        ["design", "/design"],
        ["not-found", "/nowhere"],
        ["signed-out", "/signed-out"],
      ];
    };

    for (const [size, viewport] of [
      ["wide", WIDE],
      ["narrow", NARROW],
    ] as const) {
      for (const colorScheme of ["light", "dark"] as const) {
        test(`axe finds nothing, nothing overflows, no rule is broken: ${size}, ${colorScheme}`, async () => {
          const { context, page, sins } = await signedIn("/", { colorScheme, viewport });
          const found: string[] = [];
          for (const [name, path] of await pages()) {
            await page.goto(path);
            await page.getByRole("heading", { level: 1 }).first().waitFor({ state: "attached" });
            if (name === "receipt") await page.locator('[data-verdict="genuine"]').waitFor();
            else await page.waitForTimeout(700);
            found.push(...(await axe(page)).map((violation) => `${name}: ${violation}`));
            const wide = await page.evaluate(() => document.documentElement.scrollWidth);
            if (wide > viewport.width) found.push(`${name}: ${wide} px wide`);
            if (photographs !== undefined) await photograph(page, `${name}-${size}-${colorScheme}`);
          }
          expect(found).toEqual([]);
          expect(sins).toEqual([]);
          await context.close();
        });
      }
    }
  });
});

async function photograph(page: Page, name: string): Promise<void> {
  await mkdir(photographs ?? "", { recursive: true });
  await page.screenshot({ path: join(photographs ?? "", `${name}.png`) });
}
