/**
 * Goal: what a link is told to do to connections is what happens to them, since the proofs of what an
 * owner does when it is cut off rest on it. Method: two NATS clients of a real server, one over a link.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";

import { connectBus, type NatsConnection } from "../../bus/connect.ts";
import { testNats } from "../../cli/provision/vitest-servers.ts";
import { Link } from "./link.ts";

const nats = await testNats({ shards: 1 });
let link: Link;
let near: NatsConnection;
let far: NatsConnection;
const heard: string[] = [];

beforeAll(async () => {
  link = await Link.open({ host: nats.host, port: nats.port });
  const { pass, user } = nats.logins.node;
  near = await connectBus({ name: "n/0 appends", pass, servers: `127.0.0.1:${link.port}`, user });
  far = await connectBus({ name: "far", pass, servers: nats.logins.node.servers, user });
  far.subscribe("shard.>", {
    callback: (_, message) => {
      heard.push(message.string());
    },
  });
  far.subscribe("_INBOX_node.probe", {
    callback: (_, message) => {
      message.respond("yes");
    },
  });
  await far.flush();
});

afterAll(async () => {
  await near?.close();
  await far?.close();
  await link?.close();
});

/** Whether the other client answers within `ms`. */
async function reaches(ms: number): Promise<boolean> {
  return await near.request("_INBOX_node.probe", "", { timeout: ms }).then(
    () => true,
    () => false,
  );
}

test("open: everything passes, and a tap reads it with the connection's name", async () => {
  const seen: string[] = [];
  const untap = link.tap(({ name, text, way }) => seen.push(`${name} ${way} ${text}`));
  expect(await reaches(5_000)).toBe(true);
  untap();
  expect(seen.some((one) => /^n\/0 appends up [^]*PUB _INBOX_node\.probe/.test(one))).toBe(true);
  expect(seen.some((one) => /^n\/0 appends down [^]*MSG /.test(one))).toBe(true);
});

test("hold: keeps one way of the connections named, and delivers it when released", async () => {
  link.hold(["up"], /replay$/);
  expect(await reaches(5_000)).toBe(true);
  link.hold(["up"], /appends$/);
  const answer = near.request("_INBOX_node.probe", "held", { timeout: 10_000 });
  await expect.poll(() => link.held("up", /appends$/)).toContain("held");
  await expect(Promise.race([answer, sleep(50, "silent")])).resolves.toBe("silent");
  link.release();
  expect((await answer).string()).toBe("yes");
  expect(link.held("up")).toBe("");
});

test("hold: what a sender sent before it was gone still arrives", async () => {
  const { pass, user } = nats.logins.gateway;
  const gone = await connectBus({ name: "gone", pass, servers: `127.0.0.1:${link.port}`, user });
  link.hold(["up"], /^gone$/);
  gone.publish("shard.0.settle.last", "last words");
  await expect.poll(() => link.held("up", /^gone$/)).toContain("last words");
  await gone.close();
  expect(heard).toEqual([]);
  link.release();
  await expect.poll(() => heard, { timeout: 5_000 }).toEqual(["last words"]);
});

test("delay: everything arrives later, in order", async () => {
  link.delay(150);
  const startedAt = performance.now();
  expect(await reaches(5_000)).toBe(true);
  // There and back.
  expect(performance.now() - startedAt).toBeGreaterThan(290);
  link.heal();
});

test("cut: resets connections and takes none, and the client is back when it is healed", async () => {
  link.cut();
  expect(await reaches(500)).toBe(false);
  link.heal();
  await expect.poll(() => reaches(500), { timeout: 15_000 }).toBe(true);
});
