/** The system's Chromium, driven by playwright-core: found on PATH, in a profile of its own. */
import { accessSync, constants, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from "playwright-core";
import { requiredTools, searchPath } from "./config.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Sizes at which every page is looked at. */
export const WIDE = { height: 900, width: 1_440 } as const;
export const NARROW = { height: 844, width: 390 } as const;

/** Path of the first Chromium on PATH. */
export function chromiumPath(): string | undefined {
  const folders = searchPath();
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * Whether the tests of a browser can run here; without one they are skipped by name.
 * @throws Error when there is none and TARMAC_TEST_REQUIRE asks for it.
 */
export function hasChromium(): boolean {
  if (chromiumPath() !== undefined) return true;
  if (requiredTools().includes("chromium")) {
    throw new Error(`no Chromium on PATH (${NAMES.join(", ")}), and TARMAC_TEST_REQUIRE wants one`);
  }
  return false;
}

/** Starts one. playwright gives it a new profile that goes with it. */
export function launchChromium(): Promise<Browser> {
  const executablePath = chromiumPath();
  if (executablePath === undefined) throw new Error("there is no Chromium on PATH");
  return chromium.launch({ args: FLAGS, executablePath });
}

/** A page, and what it did that no page of ours may do. */
export interface WatchedPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors of scripts, violations of the policy, requests to anybody else, in the order they came. */
  readonly sins: readonly string[];
}

/** A page in a context of its own, of a browser that knows nothing of the others. */
export async function openPage(
  browser: Browser,
  baseURL: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({
    baseURL,
    colorScheme: "light",
    viewport: WIDE,
    ...options,
  });
  const page = await context.newPage();
  const sins: string[] = [];
  page.on("pageerror", (error) => sins.push(`error: ${error.message}`));
  page.on("console", (message) => {
    if (/Content Security Policy|Refused to/.test(message.text())) sins.push(message.text());
  });
  page.on("request", (request) => {
    const url = new URL(request.url());
    const own = new URL(baseURL).host;
    if (url.host !== own && url.protocol !== "blob:") sins.push(`asks ${request.url()}`);
  });
  return { context, page, sins };
}

const axeSource = readFileSync(
  createRequire(import.meta.url).resolve("axe-core/axe.min.js"),
  "utf8",
);

interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly help: string;
    readonly nodes: readonly {
      readonly target: readonly string[];
      readonly failureSummary?: string;
    }[];
  }[];
}

/** What axe finds on the page as it stands, as lines to read. */
export async function axe(page: Page): Promise<string[]> {
  // Through the debugger, past the page's own policy, which forbids scripts of others.
  await page.evaluate(axeSource);
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const result = (await page.evaluate(
    `axe.run(document, { runOnly: { type: "tag", values: ${JSON.stringify(tags)} } })`,
  )) as AxeResult;
  return result.violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ target, failureSummary }) => {
      return `${id}: ${help}: ${target.join(" ")}: ${failureSummary ?? ""}`;
    }),
  );
}
