/**
 * Goal: a lease has one holder at a time, is freed by its release or by time, and survives a lost
 * answer; live workers know of each other.
 * Method: leases and members of several workers on a real nats-server.
 */
import { TimeoutError } from "@nats-io/nats-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { NatsConnection } from "../bus/connect.ts";
import { leaseKey, type MemberAbout } from "../bus/membership.ts";
import { testNats } from "../cli/provision/vitest-servers.ts";
import { Lease, leaseSeconds } from "./lease.ts";
import { Members } from "./members.ts";
import { connectAs, type FaultyConnection, faulty, prepareStreams } from "./testing/bus-fixture.ts";

const nats = await testNats();
let nc: NatsConnection;
let network: FaultyConnection;

beforeAll(async () => {
  nc = await connectAs(nats, "node");
  network = faulty(await connectAs(nats, "node"));
  await prepareStreams(nc);
});

afterAll(async () => {
  await nc.close();
  await network.nc.close();
});

let keys = 0;
/** Leases of several workers on one shard that no other test has. */
function leases(...owners: string[]): Lease[] {
  const key = leaseKey(keys++, 1);
  return owners.map((owner) => new Lease(nc, key, { owner, member: "m" }, 1));
}

const ABOUT: MemberAbout = {
  version: "1.2.3",
  worker: 0,
  shards: 4,
  run: "r",
  startedAt: 1,
  journal: { reads: 1, writes: 1 },
  snapshot: { reads: 1, writes: 1 },
};

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe("Lease", () => {
  test("has one holder, until it is released", async () => {
    const [a, b] = leases("a", "b");
    expect(await a?.acquire()).toBe(true);
    expect(await b?.acquire()).toBe(false);
    expect(await b?.renew()).toBe(false);
    await a?.release();
    expect(await b?.acquire()).toBe(true);
    expect(await a?.renew()).toBe(false);
  });

  test("races: one of many gets it", async () => {
    const all = leases(...Array.from({ length: 10 }, (_, i) => `w${i}`));
    const got = await Promise.all(all.map((lease) => lease.acquire()));
    expect(got.filter((each) => each)).toHaveLength(1);
  });

  test("lasts as long as it is renewed, and runs out by itself", async () => {
    const [a, b] = leases("a", "b");
    await a?.acquire();
    for (let i = 0; i < 5; i++) {
      await pause(400);
      expect(await a?.renew()).toBe(true);
      expect(await b?.acquire()).toBe(false);
    }
    await pause(1_600);
    expect(await b?.acquire()).toBe(true);
    expect(await a?.renew()).toBe(false);
  });

  test("a renewal whose answer was lost is still its own", async () => {
    const lease = new Lease(network.nc, leaseKey(keys++, 1), { owner: "a", member: "m" }, 1);
    expect(await lease.acquire()).toBe(true);
    network.fault = (subject) => (subject.startsWith("$KV.") ? "lost-reply" : "none");
    await expect(lease.renew()).rejects.toThrow(TimeoutError);
    network.fault = () => "none";
    expect(await lease.renew()).toBe(true);
  });

  test("lasts 3 s on one server", () => {
    expect(leaseSeconds(nc)).toBe(3);
  });
});

describe("Members", () => {
  test("know who joined, who left and who went silent", async () => {
    const join = async (id: string) => {
      const self = { id, node: "n", weight: 1, about: ABOUT };
      const members = new Members(nc, self, 1, () => undefined);
      await members.join();
      return members;
    };
    const [a, b, c] = await Promise.all([join("n/a"), join("n/b"), join("n/c")]);
    const seen = () => (a.alive ?? []).map(({ id }) => id).sort();
    await pause(200);
    expect(seen()).toEqual(["n-a", "n-b", "n-c"]);
    await b.leave();
    c.stop();
    await pause(100);
    expect(seen()).toEqual(["n-a", "n-c"]);
    await pause(1_600);
    expect(seen()).toEqual(["n-a"]);
    for (const each of [a, b]) each.stop();
  });
});
