/**
 * Goal: whatever happens to nodes and servers, no answer is missing from the ledger, none stands in it
 * twice, no cap is broken and no money stays held. Method: a short run of `npm run bench -- faults`,
 * with a seed of its own each time, which is printed. With `TARMAC_TEST_MINUTES` every kind of fault is
 * done for so long, on one NATS server and on three.
 */
import { expect, test } from "vitest";
import { acceptanceOptions } from "../acceptance/testing/options.ts";
import type { FaultName } from "./faults.ts";
import { type FaultsOptions, runFaults } from "./run.ts";

const { minutes, seed } = acceptanceOptions();
const isLong = minutes !== undefined;
const tell = (line: string) => process.stderr.write(`${line}\n`);

async function run(options: Pick<FaultsOptions, "kinds" | "servers" | "shards">): Promise<void> {
  const short = { minutes: 0.08, nodes: 2, rate: 60 };
  const { kinds: _, ...all } = options;
  const report = await runFaults({
    seed,
    tell,
    ...(isLong ? { minutes, rate: 500, ...all } : { ...short, ...options }),
  });
  expect(report.findings).toEqual({
    doubled: [],
    held: [],
    ledger: [],
    lost: [],
    oddities: [],
    projection: [],
    undecided: [],
  });
  expect(report.faults.length).toBeGreaterThan(0);
  expect(report.admitted).toBeGreaterThan(20);
  expect(report.settled).toBeGreaterThan(0);
  if (isLong) expect(report.near_limit).toBeGreaterThan(0);
}

const patience = isLong ? minutes * 60_000 + 600_000 : 240_000;

test(
  "one NATS server: nothing is lost, doubled, over a cap or left held",
  async () => {
    const kinds: readonly FaultName[] = ["node-abort", "node-zombie"];
    await run({ kinds, servers: 1 });
  },
  patience,
);

test.skipIf(!isLong)(
  "three NATS servers: nothing is lost, doubled, over a cap or left held (TARMAC_TEST_MINUTES)",
  () => run({ servers: 3 }),
  patience,
);
