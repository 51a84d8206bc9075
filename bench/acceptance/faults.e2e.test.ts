/**
 * Goal: without the servers it stands on, Tarmac refuses and says why; nothing goes out unheld, nothing
 * that was answered is lost, and it carries on by itself when they are back. Method: one machine with
 * real servers, from which NATS and Postgres are taken away at the start and in the middle of calls;
 * servers that cannot be trusted; and a disk that fills up under JetStream. The machine's tests build
 * on each other, in their order.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { shardOf } from "../../actors/placement.ts";
import type { RunningChild } from "../../cli/provision/processes.ts";
import { readOrCreateSecret } from "../../cli/provision/secrets.ts";
import { openReadModel, type ReadModel } from "../../readmodel/read-model.ts";
import { type Providers, startProviders } from "../providers/server.ts";
import {
  call,
  chat,
  type HttpAnswer,
  newClient,
  problemOf,
  SURFACES,
  type SurfaceName,
  untilKnown,
  vendorErrorOf,
} from "./testing/http-calls.ts";
import { type Audit, auditLedger, balancesAfter, untilClosed } from "./testing/ledger-audit.ts";
import { Machine } from "./testing/machine.ts";
import { type MixedWorkspace, mixedWorkspace } from "./testing/mixed-workspaces.ts";
import { canMountSmallDisk, mountSmallDisk, type SmallDisk } from "./testing/small-disk.ts";
import { startOldNats, startUnsyncedNats, type UnfitNats } from "./testing/unfit-nats.ts";

const client = newClient();
let number = 600;

afterAll(() => client.close());

function ask(
  machine: Machine,
  workspace: MixedWorkspace,
  surface: SurfaceName,
  more: Readonly<Record<string, unknown>> = {},
): Promise<HttpAnswer> {
  number += 1;
  const headers = { "x-tarmac-agent": workspace.agents[surface][0] ?? "" };
  const body = chat(surface, number, more);
  return call(machine.gatewayUrl, { body, headers, key: workspace.secret, surface }, client);
}

/** A refusal because the engine cannot be reached, in the vendor's own envelope. */
function expectFailClosed(answer: HttpAnswer, surface: SurfaceName): void {
  expect(answer.status).toBe(503);
  expect(answer.headers["retry-after"]).toBe("1");
  expect(answer.headers["x-should-retry"]).toBeUndefined();
  expect(problemOf(answer)).toMatchObject({ code: "fail-closed" });
  expect(problemOf(answer).message).toMatch(/nothing was forwarded/i);
  const type = surface === "anthropic" ? "overloaded_error" : "server_error";
  expect(vendorErrorOf(answer)).toMatchObject({ message: problemOf(answer).message, type });
}

/** The authorization of a call that was answered. */
function authorizationOf(answer: HttpAnswer): string {
  if (answer.status !== 200) throw new Error(`answered ${answer.status}: ${answer.text}`);
  return String(answer.headers["x-tarmac-authorization"]);
}

/** Settles of these authorizations, which must have exactly one each. */
function settlesOf(audit: Audit, authorizations: readonly string[]) {
  const settles = audit.byAuthorization("settle");
  return authorizations.map((authorization) => {
    const found = settles.get(authorization) ?? [];
    expect(found.length, authorization).toBe(1);
    return found[0];
  });
}

/** A workspace in the other of two shards. */
function elsewhere(ws: string): MixedWorkspace {
  for (let n = 0; ; n += 1) {
    const other = `elsewhere-${n}`;
    if (shardOf(other, 2) !== shardOf(ws, 2)) return mixedWorkspace(other);
  }
}

function expectNothingHeld(audit: Audit): void {
  const held = [...balancesAfter(audit.entries)].filter(([, leg]) => leg.held !== 0n);
  expect(held).toEqual([]);
}

describe("a machine that loses its servers", () => {
  const main = mixedWorkspace("faults");
  /** Its holds end so soon that an outage outlasts them. */
  const hasty = mixedWorkspace("faults-hasty", { expiryMs: 6_000 });
  let machine: Machine;
  let orphans: Machine;
  let providers: Providers;
  let readModel: ReadModel;
  let withoutNats: readonly RunningChild[];

  beforeAll(async () => {
    providers = await startProviders();
    machine = await Machine.create({ providers });
    orphans = await Machine.create({ providers });
    // These try for ten seconds, meanwhile others are under test.
    await readOrCreateSecret(`${orphans.dir}/keys/postgres`);
    withoutNats = [await orphans.startNode(1), await orphans.startGateway()];
  });

  afterAll(async () => {
    await readModel?.close();
    await machine?.close();
    await orphans?.close();
    await providers?.stop();
  });

  test("start: without Postgres the nodes wait and say so, the gateway refuses, and it begins when it comes", async () => {
    await machine.startPostgres();
    await machine.stop("postgres");
    await machine.startNats();
    const nodes = [await machine.startNode(1), await machine.startNode(2)];
    await machine.startGateway();
    await expect
      .poll(() => machine.logOf("node-1"), { timeout: 30_000 })
      .toMatch(/waiting for Postgres: check TARMAC_POSTGRES_URL and that it runs/);
    const ready = () => fetch(`${machine.gatewayUrl}/readyz`).then(({ status }) => status);
    await expect.poll(() => ready().catch(() => 0), { timeout: 30_000 }).toBe(503);
    expect(nodes.map((node) => node.exit())).toEqual([undefined, undefined]);

    await machine.startPostgres();
    for (const plan of [main, hasty]) await machine.configure(plan);
    await machine.untilReady();
    readModel = openReadModel(machine.postgresUrl);
    for (const surface of SURFACES) authorizationOf(await ask(machine, main, surface));
  });

  test("start: without NATS a node and a gateway end, naming it and what to check", async () => {
    const [node, gateway] = withoutNats;
    const exits = await Promise.all(withoutNats.map(({ exited }) => exited));
    expect(exits.map(({ code }) => code)).toEqual([1, 1]);
    for (const child of [node, gateway]) {
      const said = await child?.output();
      expect(said).toContain(`NATS at 127.0.0.1:${orphans.portNumbers.nats}`);
      expect(said).toContain("check that nats-server runs there and that the URL names its port");
    }
  });

  const unfit: readonly [string, () => Promise<UnfitNats>, RegExp][] = [
    [
      "does not sync every write",
      () => startUnsyncedNats(machine),
      /lacks `sync_interval: always`: set it and restart/,
    ],
    [
      "is too old",
      () => startOldNats(machine, "2.14.9"),
      /is nats-server 2\.14\.9, and only from 2\.15 on .* upgrade it/,
    ],
  ];
  for (const [what, start, words] of unfit) {
    test(`start: a node refuses a nats-server that ${what}, saying why`, async () => {
      const server = await start();
      const node = await machine.startNode(9, {
        TARMAC_NATS_SYSTEM_URL: machine.natsUrl("system", server.port),
        TARMAC_NATS_URL: machine.natsUrl("node", server.port),
      });
      await expect.poll(() => node.exit()?.code, { timeout: 20_000 }).toBe(1);
      expect(await node.output()).toMatch(/this JetStream is not durable/);
      expect(await node.output()).toMatch(words);
      await server.stop();
    });
  }

  test("NATS gone: calls are refused and nothing goes out; what ran is settled; it carries on when NATS is back", async () => {
    // A stream that ends while NATS is away, and one whose hold would end before that.
    const slow = { paceMs: 25, whenClientGone: "stop" } as const;
    providers.control.next({ ...slow, outputTokens: 300 }, { match: { provider: "anthropic" } });
    providers.control.next({ ...slow, outputTokens: 3_000 }, { match: { provider: "openai" } });
    const streams = [
      ask(machine, main, "anthropic", { stream: true }),
      ask(machine, hasty, "openai", { max_completion_tokens: 4_000, stream: true }),
    ] as const;
    const hastyEnd = streams[1].then(
      () => "whole",
      () => "broken off",
    );
    await expect.poll(() => providers.served.counts.in_flight, { timeout: 10_000 }).toBe(2);
    await sleep(300);
    await machine.kill("nats");
    const before = providers.served.counts;
    const refused = await Promise.all(
      [...SURFACES, ...SURFACES].map((surface) => ask(machine, main, surface)),
    );
    for (const [index, answer] of refused.entries()) {
      expectFailClosed(answer, SURFACES[index % 2] ?? "openai");
    }
    expect((await fetch(`${machine.gatewayUrl}/readyz`)).status).toBe(503);
    expect((await fetch(`${machine.gatewayUrl}/healthz`)).status).toBe(200);
    // The stream went on to its end: its settle waits in the outbox.
    const whole = await streams[0];
    expect(whole.text).toContain("event: message_stop");
    // The other's hold could not be renewed: its client was cut and its provider left.
    expect(await hastyEnd).toBe("broken off");
    await providers.served.idle();
    expect(providers.served.counts.requests).toBe(before.requests + 2);
    expect(providers.served.records.at(-1)?.outcome).toBe("client-gone");

    await machine.startNats();
    await machine.untilReady();
    for (const surface of SURFACES) authorizationOf(await ask(machine, main, surface));
    const session = await machine.session();
    for (const { ws } of [main, hasty]) await untilClosed(session, ws);
    const audit = await auditLedger(session, readModel, main.ws);
    const [settle] = settlesOf(audit, [authorizationOf(whole)]);
    expect(settle).toMatchObject({ basis: "measured", late: false, usage: { output: 300n } });
    expectNothingHeld(audit);
    const cut = await auditLedger(session, readModel, hasty.ws);
    expect(cut.of("settle").map(({ basis }) => basis)).toEqual(["assumed"]);
    expect(cut.of("settle")[0]?.amount).toBe(cut.of("authorize")[0]?.held);
    expectNothingHeld(cut);
  });

  test("Postgres gone: calls go on, and the projection resumes with nothing skipped", async () => {
    const session = await machine.session();
    // Owners go on without Postgres; a shard on its way to another owner would wait for it.
    await machine.untilSettled();
    await machine.kill("postgres");
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, index) => ask(machine, main, SURFACES[index % 2] ?? "openai")),
    );
    const authorizations = answers.map(authorizationOf);
    await sleep(1_000);
    const later = authorizationOf(await ask(machine, main, "anthropic"));
    await machine.startPostgres();
    await untilClosed(session, main.ws);
    // Reads every entry from the first and follows the chain.
    const audit = await auditLedger(session, readModel, main.ws);
    const settles = settlesOf(audit, [...authorizations, later]);
    expect(settles.every((settle) => settle?.basis === "measured")).toBe(true);
    expectNothingHeld(audit);
    for (const authorization of authorizations) {
      const row = await readModel.receipt(authorization, main.ws);
      expect(row?.receipt.state).toBe("settled");
    }
  });

  test("Postgres gone, and then an owner: its shards wait and say so, the others go on, and nothing is skipped", async () => {
    const session = await machine.session();
    // In shard 0 and in shard 1.
    const other = elsewhere(main.ws);
    const both = [main, other];
    await machine.configure(other);
    await untilKnown(machine.gatewayUrl, other.secret);
    await machine.untilSettled();
    await machine.kill("postgres");
    // Whoever owns what: one of them ends by force, the other in order, with Postgres away both times.
    await machine.kill("node-1");
    await expect
      .poll(() => machine.logOf("node-2"), { timeout: 30_000 })
      .toMatch(/"shard not taken".*Postgres is not available/);
    // What node-2 owned it owns still, from the configuration that it and the gateway have.
    const answers = await Promise.all(both.map((workspace) => ask(machine, workspace, "openai")));
    const decided = answers.map(({ status }) => status).toSorted((a, b) => a - b);
    expect(decided).toEqual([200, 503]);
    expectFailClosed(answers.find(({ status }) => status === 503) as HttpAnswer, "openai");
    const node = machine.exitOf("node-2");
    await machine.stop("node-2");
    expect((await node).code).toBe(0);
    await machine.startNode(2);
    await machine.startNode(1);
    await expect
      .poll(() => machine.logOf("node-1"), { timeout: 30_000 })
      .toMatch(/waiting for Postgres: check TARMAC_POSTGRES_URL and that it runs/);

    await machine.startPostgres();
    await machine.untilSettled();
    for (const workspace of both) authorizationOf(await ask(machine, workspace, "openai"));
    for (const { ws } of both) await untilClosed(session, ws);
    for (const { ws } of both) expectNothingHeld(await auditLedger(session, readModel, ws));
  });
});

const hasSmallDisk = canMountSmallDisk();

describe("a disk that fills up under JetStream", () => {
  const workspace = mixedWorkspace("full-disk");
  let disk: SmallDisk | undefined;
  let machine: Machine;
  let providers: Providers;
  let readModel: ReadModel;

  beforeAll(async () => {
    if (!hasSmallDisk) return;
    disk = mountSmallDisk(32);
    providers = await startProviders();
    machine = await Machine.create({ natsDir: disk.dir, providers });
    await machine.start([workspace]);
    readModel = openReadModel(machine.postgresUrl);
  });

  afterAll(async () => {
    try {
      await readModel?.close();
      await machine?.close();
      await providers?.stop();
    } finally {
      disk?.remove();
    }
  });

  test.skipIf(!hasSmallDisk)(
    "full disk: refuses, loses nothing, says what to do, and carries on after it (as root, with tmpfs)",
    async () => {
      const answers: HttpAnswer[] = [];
      const askAll = async (count: number) => {
        const asked = Array.from({ length: count }, (_, index) =>
          ask(machine, workspace, SURFACES[index % 2] ?? "openai"),
        );
        answers.push(...(await Promise.all(asked)));
      };
      await askAll(10);
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
      // Room for some blocks: the disk fills up in the middle of calls.
      disk?.fill(150_000);
      for (let batch = 0; batch < 20 && answers.every(({ status }) => status === 200); batch += 1) {
        await askAll(16);
      }
      const asked = providers.served.length;
      const from = answers.length;
      await askAll(6);
      for (const [index, answer] of answers.slice(from).entries()) {
        expectFailClosed(answer, SURFACES[index % 2] ?? "openai");
      }
      expect(providers.served.length).toBe(asked);
      const logs = () =>
        Promise.all([machine.logOf("node-1"), machine.logOf("node-2")]).then(String);
      await expect
        .poll(logs, { timeout: 15_000 })
        .toMatch(/no space left on device.*restart nats-server/);

      // nats-server gives a stream up whose write failed: space alone does not bring it back.
      disk?.free();
      await machine.stop("nats");
      await machine.startNats();
      await machine.untilReady();
      await askAll(4);
      expect(answers.slice(-4).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
      const session = await machine.session();
      await untilClosed(session, workspace.ws);
      const audit = await auditLedger(session, readModel, workspace.ws);
      const answered = answers.filter(({ status }) => status === 200).map(authorizationOf);
      const settles = settlesOf(audit, answered);
      expect(settles.every((settle) => settle?.basis === "measured")).toBe(true);
      // Nothing was forwarded that is not settled, and nothing is settled that was not forwarded.
      expect(audit.of("settle")).toHaveLength(providers.served.length);
      expectNothingHeld(audit);
    },
  );
});
