/**
 * Goal: `npm start` brings the console up with a link that signs in, and its command, status and logs know
 * it. Method: the real command in an empty home, and its link opened as a browser does.
 */
import { createServer } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Installation, type Up } from "./tarmac.ts";

let installation: Installation;
let up: Up;
let url: string;

beforeAll(async () => {
  installation = await Installation.create({ TARMAC_NODES: "1" });
  up = await installation.up();
  url = `http://127.0.0.1:${installation.consolePort}`;
}, 240_000);

afterAll(() => installation.remove());

/** Opens a sign-in link. @returns the session's cookie, if it gave one */
async function open(link: string): Promise<string | undefined> {
  const response = await fetch(link, { redirect: "manual" });
  return response.headers.get("set-cookie")?.split(";")[0];
}

async function sessionOf(cookie: string): Promise<Record<string, unknown>> {
  const response = await fetch(`${url}/api/session`, { headers: { cookie } });
  expect(response.status).toBe(200);
  return (await response.json()) as Record<string, unknown>;
}

test("up: prints a link that signs in once, and says which providers are simulated", async () => {
  const link = /Console\s+(\S+)/.exec(up.banner)?.[1] ?? "";
  expect(link).toMatch(new RegExp(`^${url}/sign-in\\?token=[A-Za-z0-9_-]{43}$`));
  const cookie = (await open(link)) ?? "";
  expect(await sessionOf(cookie)).toMatchObject({
    role: "admin",
    simulated_providers: ["anthropic", "openai"],
    workspaces: [{ ws: "default", currency: "USD" }],
  });
  expect(await open(link)).toBeUndefined();
});

test("up: the pages are built and open", async () => {
  const response = await fetch(`${url}/operations/live`);
  expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(response.status).toBe(200);
});

test("console --link: another link, for whom and for what it says", async () => {
  const args = ["--link", "--name", "Ada", "--role", "viewer", "--workspace", "default"];
  const { code, stdout } = await installation.run("console", ...args);
  expect(code).toBe(0);
  const session = await sessionOf((await open(stdout.trim())) ?? "");
  expect(session).toMatchObject({ name: "Ada", role: "viewer" });
  const wrong = await installation.run("console", "--link", "--role", "owner");
  expect(wrong.code).toBe(1);
  expect(wrong.stderr).toContain("--role");
});

test("console --help, status, logs: know it", async () => {
  const help = await installation.run("console", "--help");
  expect(help.stdout).toContain("--link");
  const status = await installation.run("status");
  expect(status.stdout).toMatch(/✓ {2}console answers/);
  expect(status.code).toBe(0);
  const logs = await installation.run("logs", "console");
  expect(logs.stdout).toContain("the console serves");
});

test("up: a console port that is taken is named with its variable", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const other = await Installation.create({ TARMAC_CONSOLE_PORT: String(port) });
  const { code, stderr } = await other.run("up");
  server.close();
  await other.remove();
  expect(code).toBe(1);
  expect(stderr).toContain(`Port ${port} on 127.0.0.1 is taken`);
  expect(stderr).toContain(`TARMAC_CONSOLE_PORT=${port + 1} npm start`);
});
