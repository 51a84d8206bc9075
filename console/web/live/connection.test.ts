/**
 * Goal: the socket is kept up by itself; silence is told, and every attempt goes on where the last ended.
 * Method: fake timers and sockets that open, fall silent and close as told.
 */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ServerMessage } from "../../wire.ts";
import { type ConnectionStatus, LiveConnection, type Socket } from "./connection.ts";

class FakeSocket implements Socket {
  readonly sent: string[] = [];
  closed = false;
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;

  send(text: string): void {
    this.sent.push(text);
  }
  close(): void {
    this.closed = true;
  }
  say(message: Partial<ServerMessage>): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
  hello(): void {
    this.onopen?.(undefined as never);
    this.say({ at: "", head: "1", type: "hello", ws: "acme" });
  }
}

let sockets: FakeSocket[];
let statuses: ConnectionStatus[];
let heard: ServerMessage[];
let after: string;
let ticket: () => Promise<string | undefined>;
let connection: LiveConnection;

beforeEach(() => {
  vi.useFakeTimers();
  sockets = [];
  statuses = [];
  heard = [];
  after = "5";
  ticket = async () => "t";
  connection = new LiveConnection({
    now: Date.now,
    onMessage: (message) => heard.push(message),
    onStatus: (status) => statuses.push(status),
    open: () => {
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket;
    },
    random: () => 1,
    subscription: () => ({ after, type: "subscribe", ws: "acme" }),
    ticket: () => ticket(),
  });
});

afterEach(() => {
  connection.stop();
  vi.useRealTimers();
});

const state = () => statuses.at(-1)?.state;
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const socket = () => sockets.at(-1) as FakeSocket;

async function connected(): Promise<void> {
  connection.start();
  await pass(0);
  socket().hello();
}

test("start: takes a ticket, subscribes behind the last sequence, and is live with the hello", async () => {
  await connected();
  expect(socket().sent.map((text) => JSON.parse(text) as unknown)).toEqual([
    { after: "5", type: "subscribe", ws: "acme" },
  ]);
  expect(state()).toBe("live");
});

test("silence: is stale after 6 s, and live again with the next beat", async () => {
  await connected();
  await pass(5_000);
  expect(state()).toBe("live");
  await pass(1_500);
  expect(state()).toBe("stale");
  socket().say({ at: "", type: "beat" });
  expect(state()).toBe("live");
});

test("silence: for 12 s gives the socket up for another, behind what came last", async () => {
  await connected();
  await pass(12_100);
  expect(socket().closed).toBe(true);
  expect(state()).toBe("reconnecting");
  after = "77";
  await pass(600);
  expect(sockets).toHaveLength(2);
  socket().hello();
  expect(JSON.parse(socket().sent[0] ?? "")).toMatchObject({ after: "77" });
  expect(state()).toBe("live");
});

test("closed: tries again with waits that double, and starts over once it was live", async () => {
  await connected();
  const waits: number[] = [];
  for (let i = 0; i < 6; i += 1) {
    socket().onclose?.({ code: 1006 });
    waits.push((statuses.at(-1)?.retryAt ?? 0) - Date.now());
    await pass(waits.at(-1) ?? 0);
  }
  expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 8_000]);
  socket().hello();
  socket().onclose?.({ code: 1012 });
  expect((statuses.at(-1)?.retryAt ?? 0) - Date.now()).toBe(500);
});

test("closed: the socket of an attempt that was given up changes nothing", async () => {
  await connected();
  const first = socket();
  first.onclose?.({ code: 1006 });
  await pass(500);
  socket().hello();
  first.onclose?.({ code: 1006 });
  first.say({ at: "", type: "beat" });
  expect(state()).toBe("live");
  expect(heard.filter(({ type }) => type === "beat")).toEqual([]);
});

test("no answer: an attempt without a hello is given up after 10 s", async () => {
  connection.start();
  await pass(0);
  await pass(10_100);
  expect(state()).toBe("reconnecting");
  expect(socket().closed).toBe(true);
});

test("ticket: no answer is tried again, no session is the end", async () => {
  ticket = async () => {
    throw new Error("away");
  };
  connection.start();
  await pass(0);
  expect(state()).toBe("reconnecting");
  ticket = async () => undefined;
  await pass(60_000);
  expect(state()).toBe("signed-out");
  expect(sockets).toEqual([]);
});

test("closed with 4003: the session ended, and nothing is tried again", async () => {
  await connected();
  socket().onclose?.({ code: 4003 });
  await pass(60_000);
  expect(state()).toBe("signed-out");
  expect(sockets).toHaveLength(1);
});

test("hurry: tries at once instead of waiting, and does nothing while connected", async () => {
  await connected();
  connection.hurry();
  await pass(0);
  expect(sockets).toHaveLength(1);
  for (let i = 0; i < 4; i += 1) {
    socket().onclose?.({ code: 1006 });
    await pass((statuses.at(-1)?.retryAt ?? 0) - Date.now());
  }
  socket().onclose?.({ code: 1006 });
  connection.hurry();
  await pass(0);
  expect(sockets).toHaveLength(6);
});
