/**
 * Goal: on a NATS cluster of three an engine starts only when every server syncs what it acknowledges,
 * names the one that does not, waits for a cluster that cannot write yet, and keeps three copies.
 * Method: real clusters of three processes with Tarmac's configuration, of which one member is spoiled,
 * killed, or started late.
 */
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { expect, onTestFinished, test } from "vitest";

import { startTestNats, type TestServersOptions } from "../cli/provision/test-cluster.ts";
import { DurabilityWatch } from "../nodes/durability-watch.ts";
import { connectAs, login } from "../nodes/testing/bus-fixture.ts";
import { NotDurable, requireDurable } from "./durability.ts";
import { ensureJournals, ensureLosable, onceClusterLeads, replicasFor } from "./streams.ts";

async function cluster(options: TestServersOptions = {}) {
  const nats = await startTestNats({ ...options, servers: 3 });
  onTestFinished(async () => {
    await nats.stop();
  });
  const nc = await connectAs(nats, "node");
  onTestFinished(() => nc.close());
  return { nats, nc, system: login(nats, "system") };
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 50_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error("it did not come about within 50 s");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const quiet = () => undefined;

test("one server that does not sync: the engine refuses to start, and names it", async () => {
  const { nats, nc, system } = await cluster({
    alter: (config, number) =>
      number === 3 ? config.replace("sync_interval: always", "") : config,
  });
  const refused = requireDurable(nc, system, false, quiet);
  refused.catch(quiet);
  await expect(refused).rejects.toThrow(NotDurable);
  await expect(refused).rejects.toThrow(/- tarmac-3 answers before its disk does/);
  await expect(refused).rejects.not.toThrow(/tarmac-[12]/);

  // While it is away the others do; a node that runs learns of it once it is back.
  await nats.members[2]?.kill();
  const warnings: string[] = [];
  await requireDurable(nc, system, false, (message) => warnings.push(message));
  expect(warnings).toEqual([expect.stringMatching(/^1 of the cluster's NATS servers did not/)]);
  const found: (readonly string[])[] = [];
  const watch = new DurabilityWatch(system, (problems) => found.push(problems));
  onTestFinished(() => watch.stop());
  await watch.look();
  expect(found).toEqual([]);
  await nats.members[2]?.start();
  await until(() => watch.look().then(() => found.length > 0));
  await watch.look();
  expect(found).toEqual([[expect.stringContaining("tarmac-3 answers before")]]);
});

test("a cluster that comes up: is waited for, then keeps three copies, made by two nodes at once", async () => {
  const { nats, nc, system } = await cluster();
  const [first, second, third] = nats.members;
  await Promise.all([first?.kill(), second?.kill(), third?.kill()]);
  await first?.start();
  const warnings: string[] = [];
  const durable = requireDurable(nc, system, false, (message) => warnings.push(message));
  const waits: string[] = [];
  const prepare = async () => {
    const replicas = replicasFor(nc);
    await ensureJournals(nc, { shards: 4, era: 1, replicas }, true);
    await ensureLosable(nc, replicas);
  };
  const prepared = [
    onceClusterLeads(nc, prepare, (reason) => waits.push(reason)),
    onceClusterLeads(nc, prepare, quiet),
  ];
  // Whichever fails is awaited below; should another wait fail first, it is no fault of its own.
  for (const pending of [durable, ...prepared]) pending.catch(quiet);
  // Alone it cannot lead; whoever waits for it has to be told something meanwhile.
  await until(() => Promise.resolve(warnings.length > 0 && waits.length > 0));
  expect(warnings[0]).toMatch(/^waiting for NATS: only 1 of 3 servers .* before 2 do/);
  await Promise.all([second?.start(), third?.start()]);
  await Promise.all([durable, ...prepared]);

  const jsm = await jetstreamManager(nc);
  const { config, cluster: group } = await jsm.streams.info("JOURNAL_3_1");
  expect(config.num_replicas).toBe(3);
  expect(group?.replicas).toHaveLength(2);
  expect((await jetstream(nc).publish("journal.3.1.block", "block")).seq).toBe(1);
});
