/**
 * Goal: a decision is on a page within a second, and a page has every entry once whatever breaks: its
 * socket, NATS with the stream of live entries, or Postgres. Method: real servers and projector, pages
 * over real sockets, and the ledger itself as what the pages are compared with.
 */
import { connect, createServer, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { testDatabase, testNats } from "../cli/provision/vitest-servers.ts";
import type { Entry } from "../ledger/entries.ts";
import { restartableNats } from "../nodes/testing/bus-fixture.ts";
import { factOf } from "./live/fact.ts";
import { type ConsoleWorld, startConsoleWorld } from "./testing/console-world.ts";
import { Told } from "./testing/facts.ts";
import { LivePage, until } from "./testing/live-page.ts";
import type { AgentPage, DecisionPage, ErrorBody, Overview } from "./wire.ts";

const nats = await testNats({ shards: 16 });
const open: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function newWorld(options: Partial<Parameters<typeof startConsoleWorld>[0]> = {}) {
  const world = await startConsoleWorld({
    nats,
    postgresUrl: await testDatabase(),
    // A name that no other test's stream has.
    workspaces: [`ws-${open.length}-${Date.now().toString(36)}`],
    shard: shards++,
    shards: 16,
    ...options,
  });
  open.push(() => world.stop());
  return world;
}
let shards = 0;

function entriesOf(world: ConsoleWorld): readonly Entry[] {
  return world.ledger.worlds[0]?.entries.map(({ entry }) => entry) ?? [];
}

function nameOf(world: ConsoleWorld): string {
  return world.ledger.worlds[0]?.state.ws ?? "";
}

/** What pages were told, one after the other, compared with the ledger. */
function check(world: ConsoleWorld, begun: bigint, pages: readonly LivePage[]): void {
  const told = new Told(begun);
  for (const page of pages) {
    expect(page.messages.filter(({ type }) => type === "fault")).toEqual([]);
    for (const message of page.messages) {
      if (message.type === "gap") throw new Error(`a gap: ${JSON.stringify(message)}`);
      if (message.type === "frame") told.frame(message);
    }
  }
  const facts = entriesOf(world).map(factOf);
  expect(told.at).toBe(BigInt(facts.length));
  expect(told.problems(facts)).toEqual([]);
}

const size = (world: ConsoleWorld) => BigInt(entriesOf(world).length);

test("live: a decision is told within a second, and to all that watch", async () => {
  const world = await newWorld();
  const ws = nameOf(world);
  await world.work(20);
  await world.projected();
  const begun = size(world);
  const ada = await world.signIn();
  const pages = await Promise.all([1, 2, 3].map(() => LivePage.open(ada)));
  for (const page of pages) page.say({ type: "subscribe", ws });
  await until(() => pages.every((page) => page.messages.some(({ type }) => type === "hello")));
  const hello = pages[0]?.messages.find((message) => message.type === "hello");
  expect(hello).toMatchObject({ ws, head: String(begun) });
  const delays: number[] = [];
  for (let call = 0; call < 5; call++) {
    const began = performance.now();
    await world.work(1);
    const head = size(world);
    await until(() => pages.every((page) => page.at === head));
    delays.push(performance.now() - began);
  }
  expect(Math.max(...delays)).toBeLessThan(1_000);
  for (const page of pages) check(world, begun, [page]);
  await until(() => pages.every((page) => page.messages.some(({ type }) => type === "beat")));
});

test("resume: an overview, then live behind its head, then a cut and after=: nothing is lost or told twice", async () => {
  const world = await newWorld();
  const ws = nameOf(world);
  await world.work(50);
  await world.projected();
  const ada = await world.signIn();
  const overview = await ada.json<Overview>(`/api/workspaces/${ws}/overview`);
  const begun = BigInt(overview.head);
  const pages: LivePage[] = [];
  let at = begun;
  for (let cut = 0; cut < 4; cut++) {
    await world.work(40);
    if (cut === 2) await world.restartConsole();
    const page = await LivePage.open(ada);
    pages.push(page);
    page.say({ type: "subscribe", ws, after: String(at) });
    await world.work(40);
    // In the middle of it: whatever came until then is where the next begins.
    await until(() => page.frames.length > 0);
    page.close();
    await until(() => page.closed !== undefined);
    at = page.at;
  }
  const last = await LivePage.open(ada);
  pages.push(last);
  last.say({ type: "subscribe", ws, after: String(at) });
  await until(() => last.at === size(world) || at === size(world));
  check(world, begun, pages);
});

test("NATS restarts: the stream of live entries is lost, and pages still have everything", async () => {
  const own = await restartableNats();
  open.push(() => own.close());
  const world = await newWorld({ nats: own.nats(), shard: 0, shards: 4 });
  const ws = nameOf(world);
  await world.work(30);
  await world.projected();
  const begun = size(world);
  const ada = await world.signIn();
  const page = await LivePage.open(ada);
  page.say({ type: "subscribe", ws });
  await until(() => page.messages.some(({ type }) => type === "hello"));
  await world.work(60);
  await own.kill();
  await until(() => page.messages.some((one) => one.type === "beat" && one.behind !== undefined));
  await own.start();
  await world.natsBack();
  await world.work(60);
  await until(() => page.at === size(world), 30_000);
  // Live again, and not by asking Postgres each second.
  await until(() => {
    const beat = page.messages.findLast((one) => one.type === "beat");
    return beat?.type === "beat" && beat.behind === undefined;
  }, 30_000);
  await world.work(10);
  await until(() => page.at === size(world));
  check(world, begun, [page]);
});

/** A way to Postgres that can be cut. */
async function cuttable(target: string) {
  const { port, hostname } = new URL(target);
  const sockets = new Set<Socket>();
  let cut = false;
  const server = createServer((socket) => {
    if (cut) {
      socket.destroy();
      return;
    }
    const to = connect({ host: hostname, port: Number(port) });
    for (const one of [socket, to]) {
      sockets.add(one);
      one.on("close", () => sockets.delete(one));
      one.on("error", () => undefined);
    }
    socket.pipe(to).pipe(socket);
    socket.on("close", () => to.destroy());
    to.on("close", () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const url = new URL(target);
  url.hostname = "127.0.0.1";
  url.port = String(address.port);
  open.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    url: String(url),
    cut: () => {
      cut = true;
      for (const socket of sockets) socket.destroy();
    },
    mend: () => {
      cut = false;
    },
  };
}

test("Postgres away: 503 with its code, live says so, and both heal by themselves", async () => {
  const postgresUrl = await testDatabase();
  const way = await cuttable(postgresUrl);
  const world = await newWorld({ postgresUrl, consolePostgresUrl: way.url });
  const ws = nameOf(world);
  await world.work(30);
  await world.projected();
  const begun = size(world);
  const ada = await world.signIn();
  const page = await LivePage.open(ada);
  page.say({ type: "subscribe", ws });
  await until(() => page.messages.some(({ type }) => type === "hello"));
  way.cut();
  for (const path of ["overview", "decisions", "agents", "checkpoint"]) {
    const response = await ada.get(`/api/workspaces/${ws}/${path}`);
    const { error } = (await response.json()) as ErrorBody;
    expect(`${response.status} ${error.code}`, path).toBe("503 postgres-unavailable");
    expect(response.headers.get("retry-after")).toBe("1");
  }
  await world.work(40);
  await until(() => page.messages.some((one) => one.type === "beat" && one.behind !== undefined));
  // A page that comes now waits until there is something to begin with.
  const late = await LivePage.open(ada);
  late.say({ type: "subscribe", ws, after: "0" });
  way.mend();
  await until(() => page.at === size(world) && late.at === size(world));
  check(world, begun, [page]);
  check(world, 0n, [late]);
  expect((await ada.get(`/api/workspaces/${ws}/overview`)).status).toBe(200);
});

test("burst: 1,000 decisions a second come in few frames of at most 50 rows, refusals all of them", async () => {
  const world = await newWorld();
  const ws = nameOf(world);
  const ada = await world.signIn();
  await world.work(10);
  await world.projected();
  const begun = size(world);
  const page = await LivePage.open(ada);
  page.say({ type: "subscribe", ws });
  await until(() => page.messages.some(({ type }) => type === "hello"));
  const began = performance.now();
  for (let slice = 0; slice < 20; slice++) {
    await world.work(100);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await until(() => page.at === size(world));
  const seconds = (performance.now() - began) / 1_000;
  check(world, begun, [page]);
  expect(page.frames.length).toBeLessThanOrEqual(Math.ceil(seconds * 10) + 2);
  const omitted = page.frames.reduce(
    (sum, frame) => sum + frame.omitted.throttle + frame.omitted.hold,
    0,
  );
  expect(omitted).toBe(0);
});

test("queries: overview, decisions and agents say what the entries say", async () => {
  const world = await newWorld();
  const ws = nameOf(world);
  const [workspace] = world.ledger.worlds;
  if (workspace !== undefined) workspace.now = Date.now() - 14 * 60_000;
  await world.work(150);
  await world.projected();
  const ada = await world.signIn();
  const facts = entriesOf(world).map(factOf);
  const overview = await ada.json<Overview>(`/api/workspaces/${ws}/overview?minutes=60`);
  expect(overview.head).toBe(String(facts.length));
  expect(overview.buckets.complete_from).toBeUndefined();
  const sum = (amounts: readonly string[]) => amounts.reduce((all, one) => all + BigInt(one), 0n);
  const recent = facts.filter(({ at }) => at >= Date.parse(overview.buckets.start));
  expect(sum(overview.buckets.settled_nano)).toBe(recent.reduce((all, f) => all + f.settled, 0n));
  expect(sum(overview.buckets.held_nano)).toBe(recent.reduce((all, f) => all + f.held, 0n));
  for (const outcome of ["admit", "throttle", "hold"] as const) {
    const counted = overview.buckets[outcome].reduce((all, one) => all + one, 0);
    expect(counted, outcome).toBe(recent.filter(({ row }) => row?.outcome === outcome).length);
  }
  const month = facts.findLast((fact) => fact.month !== undefined)?.month;
  expect(overview.month).toEqual({
    period: month?.period,
    settled_nano: String(month?.settled),
    held_nano: String(month?.held),
    limit_nano: "40000000000",
  });

  const rows = facts.flatMap(({ row }) => (row === undefined ? [] : [row])).toReversed();
  const paged: unknown[] = [];
  let before = "";
  do {
    const path = `/api/workspaces/${ws}/decisions?limit=40${before}`;
    const page = await ada.json<DecisionPage>(path);
    paged.push(...page.rows);
    before = page.next_before === undefined ? "" : `&before=${page.next_before}`;
  } while (before !== "");
  expect(paged).toEqual(rows);
  const refused = await ada.json<DecisionPage>(
    `/api/workspaces/${ws}/decisions?limit=500&outcome=hold,throttle&agent=bot`,
  );
  const due = rows.filter(({ agent, outcome }) => agent === "bot" && outcome !== "admit");
  expect(refused.rows).toEqual(due);
  const middle = rows[50]?.seq ?? "";
  const after = await ada.json<DecisionPage>(
    `/api/workspaces/${ws}/decisions?limit=500&after=${middle}`,
  );
  expect(after).toEqual({ rows: rows.slice(0, 50) });

  const { agents } = await ada.json<AgentPage>(`/api/workspaces/${ws}/agents`);
  for (const agent of agents) {
    const own = rows.filter((row) => row.agent === agent.agent);
    const count = (outcome: string) => own.filter((row) => row.outcome === outcome).length;
    expect([agent.admits, agent.throttles, agent.holds]).toEqual(
      ["admit", "throttle", "hold"].map(count),
    );
    const cap = workspace?.balance(`agent:${agent.agent}/month`, month?.period);
    expect(agent.month.settled_nano).toBe(String(cap?.settled));
    expect(agent.month.held_nano).toBe(String(cap?.held));
  }
});
