/**
 * Goal: the receipt page tells every deceit from every other, and never remembers a deceiver.
 * Method: the built page over a console that serves forged logs: real hashes, real keys, as a forger who
 * owns the server would make them. One browser that keeps what it has seen.
 */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { axe, hasChromium, launchChromium, openPage } from "../../bench/console/chromium.ts";
import { FakeConsole } from "../../bench/console/fake-console.ts";
import { buildPages } from "../build.ts";
import { fakeSettled } from "../web/testing/fake-authorization.ts";
import { FakeLog, fakeSigner } from "../web/testing/fake-log.ts";
import type { ReceiptProof } from "../wire.ts";

const log = new FakeLog("acme", 45);
const signer = fakeSigner(log.origin);
const SEQ = 33;

let browser: Browser;
let served: FakeConsole;
let url: string;
/** The log that answers for consistency. */
let serving = log;

beforeAll(async () => {
  if (!hasChromium()) return;
  await buildPages();
  served = new FakeConsole();
  served.consistency = (from, to) => serving.consistency(from, to);
  served.answers.set("/api/authorizations/one", fakeSettled(log, SEQ));
  url = await served.start();
  browser = await launchChromium();
});

afterAll(async () => {
  await browser?.close();
  await served?.stop();
});

const genuine = (): ReceiptProof => log.receipt(SEQ, [signer]);

/** What the page comes to for each receipt, one after the other, in one browser. */
async function verdicts(receipts: readonly ReceiptProof[], from = log): Promise<(string | null)[]> {
  serving = from;
  const { context, page, sins } = await openPage(browser, url);
  const found: (string | null)[] = [];
  for (const receipt of receipts) {
    served.receipts.set("one", receipt);
    await page.goto("/receipts/one");
    const verdict = page.locator('[data-verdict]:not([data-verdict="running"])');
    await verdict.waitFor({ timeout: 20_000 });
    found.push(await verdict.getAttribute("data-verdict"));
    expect(await axe(page)).toEqual([]);
  }
  expect(sins).toEqual([]);
  await context.close();
  return found;
}

describe.skipIf(!hasChromium())("receipt page (needs chromium: apt-get install chromium)", () => {
  test("accepts what is genuine, again and after the log has grown", async () => {
    const early = log.receipt(SEQ, [signer], 40);
    expect(await verdicts([early, early, genuine()])).toEqual(["genuine", "genuine", "genuine"]);
  });

  test("names an entry that was changed", async () => {
    const receipt = genuine();
    const line = receipt.line.replace("settle", "settlE");
    const proof = (receipt.proof ?? "").replace(
      Buffer.from(receipt.line).toString("base64"),
      Buffer.from(line).toString("base64"),
    );
    expect(
      await verdicts([
        { ...receipt, line },
        { ...receipt, line, proof },
      ]),
    ).toEqual(["entry-changed", "entry-changed"]);
  });

  test("names an entry that was swapped for another, and a proof of another", async () => {
    const receipt = genuine();
    const other = log.receipt(SEQ - 1, [signer]);
    expect(
      await verdicts([
        { ...receipt, line: other.line },
        { ...receipt, proof: other.proof?.replace(/^extra .*\n/m, "") ?? null },
      ]),
    ).toEqual(["entry-changed", "proof-wrong"]);
  });

  test("names a path that leads elsewhere", async () => {
    const receipt = genuine();
    const lines = (receipt.proof ?? "").split("\n");
    const place = lines.findIndex((line) => line.startsWith("index ")) + 1;
    const proof = lines.with(place, Buffer.alloc(32, 7).toString("base64")).join("\n");
    expect(await verdicts([{ ...receipt, proof }])).toEqual(["proof-wrong"]);
  });

  test("names a signature that does not fit", async () => {
    const receipt = genuine();
    const checkpoint = (receipt.checkpoint ?? "").replace("\n45\n", "\n46\n");
    expect(await verdicts([{ ...receipt, checkpoint }])).toEqual(["signature-wrong"]);
  });

  test("names a key that it does not know, again and again, until somebody accepts it", async () => {
    const thief = fakeSigner(log.origin);
    const forged = log.receipt(SEQ, [thief]);
    expect(await verdicts([genuine(), forged, forged, genuine()])).toEqual([
      "genuine",
      "unknown-key",
      "unknown-key",
      "genuine",
    ]);
    const { context, page } = await openPage(browser, url);
    for (const [receipt, verdict] of [
      [genuine(), "genuine"],
      [forged, "unknown-key"],
    ] as const) {
      served.receipts.set("one", receipt);
      await page.goto("/receipts/one");
      await page.locator(`[data-verdict="${verdict}"]`).waitFor();
    }
    await page.getByRole("button", { name: "Accept the new key…" }).click();
    await page.getByRole("button", { name: "Accept it" }).click();
    await page.locator('[data-verdict="genuine"]').waitFor();
    await context.close();
  });

  test("names a log that was cut back, and holds to what it saw", async () => {
    const cut = log.receipt(SEQ, [signer], 38);
    expect(await verdicts([genuine(), cut, cut, genuine()])).toEqual([
      "genuine",
      "cut-back",
      "cut-back",
      "genuine",
    ]);
  });

  test("names a log that was forked, at the same size and at a greater one", async () => {
    const fork = log.forkedAt(40);
    const same = fork.receipt(SEQ, [signer]);
    expect(await verdicts([genuine(), same, genuine()], fork)).toEqual([
      "genuine",
      "forked",
      "genuine",
    ]);
    fork.grow(20, "forked");
    const greater = fork.receipt(SEQ, [signer]);
    expect(await verdicts([genuine(), greater, genuine()], fork)).toEqual([
      "genuine",
      "forked",
      "genuine",
    ]);
  });

  test("waits while no checkpoint covers the entry", async () => {
    const { context, page } = await openPage(browser, url);
    served.receipts.set("one", { ...genuine(), checkpoint: null, proof: null, vkeys: [] });
    await page.goto("/receipts/one");
    await page.getByText("No checkpoint covers entry 33 yet").waitFor();
    served.receipts.set("one", genuine());
    await page.locator('[data-verdict="genuine"]').waitFor({ timeout: 20_000 });
    await context.close();
  });
});
