/**
 * A console in this process over a real nats-server, a real Postgres and a real projector; entries are
 * decided by real actors and appended to a real journal.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectBus, type NatsConnection } from "../../bus/connect.ts";
import type { RunningNats } from "../../cli/provision/nats-server.ts";
import { migrate } from "../../nodes/postgres/migrate.ts";
import { ERA, TestLedger } from "../../nodes/postgres/testing/test-ledger.ts";
import { type Projector, startProjector } from "../../nodes/projector.ts";
import { connectAs, login, prepareStreams } from "../../nodes/testing/bus-fixture.ts";
import type { Grant } from "../access/grant.ts";
import { SignInLinks } from "../access/sign-in-links.ts";
import type { ConsoleConfig } from "../config.ts";
import { jsonLog } from "../log.ts";
import { type RunningConsole, startConsole } from "../start-console.ts";

export interface ConsoleWorld {
  readonly url: string;
  readonly home: string;
  readonly ledger: TestLedger;
  readonly logged: readonly string[];
  /** Decides so many calls in all workspaces and appends them. */
  work(calls: number): Promise<void>;
  /** Waits until all that was appended is in Postgres. */
  projected(): Promise<void>;
  signIn(grant?: Partial<Grant>): Promise<Browser>;
  restartConsole(): Promise<void>;
  /** Waits until NATS is there again, and makes what it lost, as nodes do. */
  natsBack(): Promise<void>;
  stop(): Promise<void>;
}

export interface WorldOptions {
  readonly nats: RunningNats;
  readonly postgresUrl: string;
  /** What the console reads; the projector's database unless given. */
  readonly consolePostgresUrl?: string;
  readonly workspaces?: readonly string[];
  /** Of the journal; a test of its own takes one of its own. 0 unless given. */
  readonly shard?: number;
  /** Of the NATS server; 4 unless given. */
  readonly shards?: number;
  readonly pages?: Readonly<Record<string, string>>;
  readonly simulatedProviders?: readonly string[];
}

export async function startConsoleWorld(options: WorldOptions): Promise<ConsoleWorld> {
  const { nats, postgresUrl } = options;
  const home = await mkdtemp(join(tmpdir(), "tarmac-console-"));
  const pagesDir = join(home, "pages");
  for (const [path, text] of Object.entries(options.pages ?? {})) {
    await mkdir(join(pagesDir, path, ".."), { recursive: true });
    await writeFile(join(pagesDir, path), text);
  }
  await migrate(postgresUrl);
  const nc = await connectAs(nats, "node");
  await prepareStreams(nc, options.shards ?? 4);
  const ledger = new TestLedger(nc, options.shard ?? 0, options.workspaces ?? ["acme"]);
  for (const world of ledger.worlds) world.now = Date.now() - 60_000;
  await ledger.claim();
  const projector = await startProjector({
    postgresUrl,
    nats: login(nats, "node"),
    era: ERA,
    onLog: () => undefined,
  });
  projector.own(ledger.shard);
  const logged: string[] = [];
  const config: ConsoleConfig = {
    bind: "127.0.0.1",
    port: 0,
    natsUrl: "",
    natsCa: undefined,
    postgresUrl: options.consolePostgresUrl ?? postgresUrl,
    home,
    publicUrl: undefined,
    simulatedProviders: options.simulatedProviders ?? [],
    pagesDir,
  };
  const consoleNats = await connectBus(login(nats, "console", "console"));
  let running = await startConsole(
    config,
    consoleNats,
    jsonLog((line) => logged.push(line)),
  );
  const close = async (parts: { projector: Projector; nc: NatsConnection }) => {
    await running.stop();
    await consoleNats.close();
    await parts.projector.stop();
    await parts.nc.close();
    await rm(home, { recursive: true, force: true, maxRetries: 10 });
  };
  return {
    get url() {
      return running.url;
    },
    home,
    ledger,
    logged,
    async work(calls) {
      ledger.work(calls);
      await ledger.append();
    },
    projected: () => projector.flush(30_000),
    async signIn(grant = {}) {
      const token = await new SignInLinks(home).make(
        { name: "Ada", role: "admin", ...grant },
        Date.now(),
      );
      return Browser.open(running.url, token);
    },
    async restartConsole() {
      const { port } = running;
      await running.stop();
      running = await restart({ ...config, port }, consoleNats, logged);
    },
    async natsBack() {
      while (
        !(await nc.rtt().then(
          () => true,
          () => false,
        ))
      ) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      await prepareStreams(nc, options.shards ?? 4);
    },
    stop: () => close({ projector, nc }),
  };
}

function restart(
  config: ConsoleConfig,
  nats: NatsConnection,
  logged: string[],
): Promise<RunningConsole> {
  return startConsole(
    config,
    nats,
    jsonLog((line) => logged.push(line)),
  );
}

/** What a signed-in browser can do. */
export class Browser {
  readonly url: string;
  readonly cookie: string;

  constructor(url: string, cookie: string) {
    this.url = url;
    this.cookie = cookie;
  }

  static async open(url: string, token: string): Promise<Browser> {
    const response = await fetch(`${url}/sign-in?token=${token}`, { redirect: "manual" });
    const cookie = response.headers.get("set-cookie")?.split(";")[0];
    if (cookie === undefined) throw new Error(`not signed in: ${response.status}`);
    return new Browser(url, cookie);
  }

  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, {
      headers: { cookie: this.cookie, ...headers },
      redirect: "manual",
    });
  }

  /** A JSON answer that is a success. */
  async json<T>(path: string): Promise<T> {
    const response = await this.get(path);
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return JSON.parse(text) as T;
  }

  post(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, {
      method: "POST",
      headers: { cookie: this.cookie, origin: this.url, ...headers },
    });
  }
}
