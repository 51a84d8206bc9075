/**
 * Goal: nobody reads the ledger without a session of their own, a page of another site can do nothing with
 * one, and what is served says so in its headers. Method: the console as it runs, asked over HTTP by a
 * browser that keeps a cookie, by one without, and by an attacker.
 */
import { randomBytes } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { testDatabase, testNats } from "../cli/provision/vitest-servers.ts";
import { SignInLinks } from "./access/sign-in-links.ts";
import { type Browser, type ConsoleWorld, startConsoleWorld } from "./testing/console-world.ts";
import { LivePage, ticketOf, until } from "./testing/live-page.ts";
import type { DecisionPage, ErrorBody, Session } from "./wire.ts";

let world: ConsoleWorld;
let ada: Browser;
let authorization: string;
/** Of a workspace that not everybody may see. */
let secret: string;

const INDEX = "<!doctype html><title>Tarmac</title>";

const nats = await testNats();

beforeAll(async () => {
  world = await startConsoleWorld({
    nats,
    postgresUrl: await testDatabase(),
    workspaces: ["acme", "zeta"],
    simulatedProviders: ["acme"],
    pages: {
      "index.html": INDEX,
      "assets/app-1234abcd.js": "export {};",
      "favicon.svg": "<svg/>",
      ".sources": "not served",
      "../outside.txt": "not served",
    },
  });
  await world.work(60);
  await world.projected();
  ada = await world.signIn();
  authorization = await latestOf("acme");
  secret = await latestOf("zeta");
});

afterAll(() => world.stop());

async function latestOf(ws: string): Promise<string> {
  const { rows } = await ada.json<DecisionPage>(`/api/workspaces/${ws}/decisions?limit=1`);
  return rows[0]?.authorization ?? "";
}

async function codeOf(response: Response): Promise<string> {
  const { error } = (await response.json()) as ErrorBody;
  expect(error.id).toMatch(/^err_[0-9a-f]{12}$/);
  expect(error.message.length).toBeGreaterThan(10);
  return `${response.status} ${error.code}`;
}

/** Every path of the API with what stands for its parameters. */
function paths(ws: string, id: string): string[] {
  const of = (name: string) => `/api/workspaces/${ws}/${name}`;
  return [
    of("overview"),
    of("decisions"),
    of("agents"),
    of("checkpoint"),
    of("consistency?from=1&to=2"),
    `/api/authorizations/${id}`,
    `/api/receipts/${id}`,
  ];
}

test("sign-in: a link works once, also for two at a time and after a restart", async () => {
  const token = await new SignInLinks(world.home).make({ name: "Bo", role: "viewer" }, Date.now());
  const open = () => fetch(`${world.url}/sign-in?token=${token}`, { redirect: "manual" });
  const prefetched = await fetch(`${world.url}/sign-in?token=${token}`, {
    headers: { "sec-purpose": "prefetch" },
    redirect: "manual",
  });
  expect(prefetched.headers.get("set-cookie")).toBeNull();
  const opened = await Promise.all([open(), open(), open()]);
  const cookies = opened.map((response) => response.headers.get("set-cookie"));
  const given = cookies.filter((cookie) => cookie !== null);
  expect(given).toHaveLength(1);
  expect(given[0]).toMatch(/; HttpOnly; SameSite=Strict$/);
  expect(given[0]).toContain("Path=/");
  await world.restartConsole();
  const again = await open();
  expect(again.headers.get("set-cookie")).toBeNull();
  expect(again.headers.get("location")).toBe("/signed-out?reason=link");
});

test("sign-in: a link that ran out, and one that was made up, sign nobody in", async () => {
  const old = await new SignInLinks(world.home).make(
    { name: "Bo", role: "viewer" },
    Date.now() - 48 * 3_600_000,
  );
  const madeUp = randomBytes(32).toString("base64url");
  for (const token of [old, madeUp, "", "../../console-session", "x".repeat(5_000)]) {
    const response = await fetch(`${world.url}/sign-in?token=${token}`, { redirect: "manual" });
    expect(response.headers.get("set-cookie")).toBeNull();
    expect(response.headers.get("location")).toBe("/signed-out?reason=link");
  }
});

test("session: outlives a restart, ends when it is signed out, and then stays ended", async () => {
  const bo = await world.signIn({ name: "Bo", role: "finance" });
  await world.restartConsole();
  const session = await bo.json<Session>("/api/session");
  expect(session).toMatchObject({ name: "Bo", role: "finance", simulated_providers: ["acme"] });
  expect(session.workspaces.map(({ ws }) => ws)).toEqual(["acme", "zeta"]);
  const page = await LivePage.open(bo);
  expect((await bo.post("/api/sign-out")).status).toBe(204);
  await until(() => page.closed !== undefined);
  expect(page.closed).toBe(4003);
  expect(await codeOf(await bo.get("/api/session"))).toBe("401 unauthenticated");
  await world.restartConsole();
  expect(await codeOf(await bo.get("/api/session"))).toBe("401 unauthenticated");
  expect((await ada.get("/api/session")).status).toBe(200);
});

test("session: keys and links are for their owner's eyes only", async () => {
  const keys = join(world.home, "keys");
  await new SignInLinks(world.home).make({ name: "Bo", role: "viewer" }, Date.now());
  const links = (await readdir(join(keys, "console-links"))).map((name) => `console-links/${name}`);
  expect(links.length).toBeGreaterThan(0);
  for (const name of ["console-session", "console-signed-out", ...links]) {
    expect((await stat(join(keys, name))).mode & 0o077, name).toBe(0);
  }
});

test("session: no route answers without one, nor with one that was tampered with", async () => {
  const all = [...paths("acme", authorization), "/api/session", "/api/resolve/bot", "/api/live"];
  const [body = "", signature = ""] = ada.cookie.split("=")[1]?.split(".") ?? [];
  const claims = JSON.parse(Buffer.from(body, "base64url").toString("utf8")) as object;
  const forged = Buffer.from(JSON.stringify({ ...claims, role: "admin", name: "Eve" }));
  const cookies = [
    "",
    "tarmac_session=",
    "tarmac_session=x.y",
    `tarmac_session=${body}.`,
    `tarmac_session=${body}.${Buffer.alloc(32).toString("base64url")}`,
    `tarmac_session=${forged.toString("base64url")}.${signature}`,
    `tarmac_session=${"A".repeat(9_000)}`,
  ];
  for (const path of [...all, "/api/nothing", "/api/workspaces/none/overview"]) {
    for (const cookie of cookies) {
      const response = await fetch(`${world.url}${path}`, { headers: { cookie } });
      expect(await codeOf(response), path).toBe("401 unauthenticated");
    }
  }
  for (const path of ["/api/live-ticket", "/api/sign-out"]) {
    const response = await fetch(`${world.url}${path}`, {
      method: "POST",
      headers: { origin: world.url },
    });
    expect(await codeOf(response), path).toBe("401 unauthenticated");
  }
});

test("role: a grant for one workspace sees nothing of another", async () => {
  const cy = await world.signIn({ name: "Cy", role: "viewer", workspaces: ["acme"] });
  const session = await cy.json<Session>("/api/session");
  expect(session.workspaces.map(({ ws }) => ws)).toEqual(["acme"]);
  for (const path of paths("acme", authorization).slice(0, 4)) {
    expect((await cy.get(path)).status, path).toBe(200);
  }
  for (const path of paths("zeta", secret).slice(0, 5)) {
    expect(await codeOf(await cy.get(path)), path).toBe("403 forbidden");
  }
  // Whether there is such an authorization at all is not told either.
  const unknown = "auth_01a00000-0000-7000-8000-000000000000";
  for (const id of [secret, unknown]) {
    for (const path of ["authorizations", "receipts", "resolve"]) {
      const answer = await codeOf(await cy.get(`/api/${path}/${id}`));
      expect(answer, `${path} ${id}`).toBe("404 not-found");
    }
  }
  expect((await cy.get(`/api/authorizations/${authorization}`)).status).toBe(200);
});

test("origin: only the console's own pages may change something or open a socket", async () => {
  const others = ["http://evil.example", "null", `${world.url}.evil.example`, "http://127.0.0.1"];
  for (const origin of others) {
    const response = await ada.post("/api/live-ticket", { origin });
    expect(await codeOf(response), origin).toBe("403 forbidden");
    await expect(LivePage.open(ada, { origin }), origin).rejects.toThrow("refused");
  }
  const bare = await fetch(`${world.url}/api/live-ticket`, {
    method: "POST",
    headers: { cookie: ada.cookie },
  });
  expect(await codeOf(bare)).toBe("403 forbidden");
});

test("ticket: opens one socket of its own session, once", async () => {
  const ticket = await ticketOf(ada);
  const page = await LivePage.open(ada, { ticket });
  await expect(LivePage.open(ada, { ticket })).rejects.toThrow("refused");
  const bo = await world.signIn({ name: "Bo" });
  const foreign = await ticketOf(bo);
  await expect(LivePage.open(ada, { ticket: foreign })).rejects.toThrow("refused");
  // A try with another's cookie uses it up all the same.
  await expect(LivePage.open(bo, { ticket: foreign })).rejects.toThrow("refused");
  await expect(LivePage.open(ada, { ticket: "made-up" })).rejects.toThrow("refused");
  expect(await codeOf(await ada.get("/api/live?ticket=x"))).toBe("400 invalid");
  page.close();
});

test("headers: every answer forbids what is not our own, and the API is never kept", async () => {
  const answers = await Promise.all(
    ["/", "/operations/live", "/assets/app-1234abcd.js", "/assets/none.js", "/sign-in", "/healthz"]
      .concat(["/api/session", "/api/nothing", `/api/authorizations/${authorization}`])
      .map((path) => ada.get(path)),
  );
  for (const { headers, url } of answers) {
    const policy = headers.get("content-security-policy") ?? "";
    expect(policy, url).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    );
    expect(headers.get("x-content-type-options"), url).toBe("nosniff");
    expect(headers.get("referrer-policy"), url).toBe("no-referrer");
    if (url.includes("/api/")) expect(headers.get("cache-control"), url).toBe("no-store");
  }
});

test("pages: any route opens without a session, hashed files are kept long, missing ones are missing", async () => {
  for (const path of [
    "/",
    "/operations/live",
    "/r/auth_x",
    "/r/run.42",
    "/receipts/rcpt_x",
    "/signed-out",
  ]) {
    const response = await fetch(`${world.url}${path}`);
    expect(await response.text(), path).toBe(INDEX);
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(response.headers.get("cache-control")).toBe("no-cache");
  }
  const script = await fetch(`${world.url}/assets/app-1234abcd.js`);
  expect(script.headers.get("content-type")).toMatch(/javascript/);
  expect(script.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
  expect((await fetch(`${world.url}/assets/none.js`)).status).toBe(404);
  expect((await fetch(`${world.url}/favicon.svg`)).headers.get("cache-control")).toMatch(
    /max-age=0/,
  );
});

/** Asks for a path as it stands, which `fetch` would tidy up first. */
function raw(path: string): Promise<{ readonly status: number; readonly text: string }> {
  const { hostname, port } = new URL(world.url);
  return new Promise((resolve, reject) => {
    request({ hostname, port, path, method: "GET" }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString("utf8")));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    })
      .on("error", reject)
      .end();
  });
}

test("pages: no path leads out of them", async () => {
  for (const path of [
    "/../outside.txt",
    "/..%2foutside.txt",
    "/%2e%2e/outside.txt",
    "/%2e%2e%2foutside.txt",
    "/assets/..%2f..%2foutside.txt",
    "/assets/%2e%2e/%2e%2e/outside.txt",
    "/..%5coutside.txt",
    "/%252e%252e%252foutside.txt",
    "/.sources",
    "/%2esources",
    "/keys/console-session.txt",
    "/outside.txt%00.html",
    "/%c0%ae%c0%ae/outside.txt",
    "/%",
  ]) {
    const { status, text } = await raw(path);
    expect(text, path).not.toContain("not served");
    expect([400, 403, 404], path).toContain(status);
  }
});

test("parameters: every mistake of a request is named", async () => {
  const response = await ada.get("/api/workspaces/acme/decisions?limit=0&before=x&outcome=no");
  expect(response.status).toBe(400);
  const { error } = (await response.json()) as ErrorBody;
  for (const name of ["limit", "before", "outcome"]) expect(error.message).toContain(`${name}`);
  for (const path of [
    "/api/workspaces/ACME/overview",
    "/api/workspaces/acme/overview?minutes=61",
    "/api/authorizations/auth_x",
    "/api/workspaces/acme/consistency?from=2&to=1",
    "/api/workspaces/acme/consistency",
  ]) {
    expect(await codeOf(await ada.get(path)), path).toBe("400 invalid");
  }
  expect(await codeOf(await ada.get("/api/workspaces/none/agents"))).toBe("404 not-found");
  expect(await codeOf(await ada.get("/api/resolve/none"))).toBe("404 not-found");
  const large = await fetch(`${world.url}/api/live-ticket`, {
    method: "POST",
    headers: { cookie: ada.cookie, origin: world.url },
    body: "x".repeat(20_000),
  });
  expect(large.status).toBeGreaterThanOrEqual(400);
});
