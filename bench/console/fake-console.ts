/**
 * The console's API as a page sees it, over a {@link FakeWorld}: for what a browser test cannot ask of
 * the real one, such as a thousand decisions a second on two cores, silence, or a forged log.
 */
import { fileURLToPath } from "node:url";
import fastifyStatic from "@fastify/static";
import fastifyWebsocket from "@fastify/websocket";
import Fastify, { type FastifyInstance } from "fastify";
import type { ClientMessage, ReceiptProof, ServerMessage, Session } from "../../console/wire.ts";
import { FakeWorld } from "./fake-world.ts";

/** What the real console sends with every page. */
export const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const DIST = fileURLToPath(new URL("../../console/web/dist/", import.meta.url));
const FRAME_MS = 100;
const BEAT_MS = 2_000;

/** The part of a WebSocket of `ws` that is used; that package has no types of its own. */
interface ServerSocket {
  send(text: string): void;
  close(code?: number): void;
  on(event: "close", listener: () => void): void;
  on(event: "message", listener: (data: Buffer) => void): void;
}

interface OpenSocket {
  send(text: string): void;
  close(code?: number): void;
  after: bigint | undefined;
}

export class FakeConsole {
  readonly world: FakeWorld;
  /** Nothing is sent while true, beats neither. */
  silent = false;
  /** New sockets are refused while true. */
  refusing = false;
  signedIn = true;
  /** What `/api/receipts/:id` answers, by id. */
  readonly receipts = new Map<string, ReceiptProof>();
  /** Path between two sizes of the log, base64. */
  consistency: (from: number, to: number) => readonly string[] = () => [];
  /** What any other path of the API answers. */
  readonly answers = new Map<string, unknown>();
  session: Session = {
    expires_at: new Date(Date.now() + 43_200_000).toISOString(),
    name: "operator",
    role: "admin",
    simulated_providers: [],
    version: "0.1.0",
    workspaces: [{ currency: "USD", name: "Acme", time_zone: "Europe/Berlin", ws: "acme" }],
  };
  readonly #app: FastifyInstance;
  readonly #sockets = new Set<OpenSocket>();
  #timers: NodeJS.Timeout[] = [];
  #ran: number | undefined;

  constructor(world = new FakeWorld("acme")) {
    this.world = world;
    this.#app = Fastify({ forceCloseConnections: true });
  }

  async start(port = 0): Promise<string> {
    const app = this.#app;
    app.addHook("onSend", async (_request, reply) => {
      void reply.header("content-security-policy", CSP);
    });
    await app.register(fastifyWebsocket);
    await app.register(fastifyStatic, { root: DIST });
    app.addHook("onRequest", async (request, reply) => {
      if (!this.signedIn && request.url.startsWith("/api/")) {
        const error = { code: "unauthenticated", id: "err-401", message: "There is no session." };
        await reply.code(401).send({ error });
      }
    });
    this.#serve(app);
    app.setNotFoundHandler(async (request, reply) => {
      if (!request.url.startsWith("/api/")) return reply.sendFile("index.html");
      const answer = this.answers.get(request.url.split("?")[0] ?? "");
      if (answer !== undefined) return answer;
      const error = { code: "not-found", id: "err-404", message: `There is no ${request.url}.` };
      return reply.code(404).send({ error });
    });
    const url = await app.listen({ host: "127.0.0.1", port });
    this.#timers = [
      setInterval(() => this.#flush(), FRAME_MS),
      setInterval(() => {
        const at = new Date().toISOString();
        if (!this.silent) this.#tell({ at, head: this.world.head.toString(), type: "beat" });
      }, BEAT_MS),
    ];
    return url;
  }

  #serve(app: FastifyInstance): void {
    app.get("/api/session", async () => this.session);
    app.post("/api/sign-out", async () => ({}));
    app.post("/api/live-ticket", async () => ({ ticket: "t" }));
    app.get("/api/workspaces/:ws/overview", async () => this.world.overview(Date.now()));
    app.get<{ Querystring: Record<string, string> }>(
      "/api/workspaces/:ws/decisions",
      async ({ query }) => this.world.decisions(query),
    );
    app.get("/api/workspaces/:ws/agents", async () => ({
      agents: this.world.agents(),
      at: new Date().toISOString(),
      counted_since: new Date(Date.now() - 86_400_000).toISOString(),
    }));
    app.get<{ Params: { id: string } }>("/api/receipts/:id", async ({ params }, reply) => {
      const receipt = this.receipts.get(params.id);
      if (receipt !== undefined) return receipt;
      const error = { code: "not-found", id: "err-404", message: `No receipt ${params.id}.` };
      return reply.code(404).send({ error });
    });
    app.get<{ Querystring: { from: string; to: string } }>(
      "/api/workspaces/:ws/consistency",
      async ({ query }) => ({ path: this.consistency(Number(query.from), Number(query.to)) }),
    );
    app.get("/api/live", { websocket: true }, (socket: ServerSocket) => {
      if (this.refusing) return socket.close(1012);
      const open: OpenSocket = {
        after: undefined,
        close: (code) => socket.close(code),
        send: (text) => socket.send(text),
      };
      this.#sockets.add(open);
      socket.on("close", () => this.#sockets.delete(open));
      socket.on("message", (data: Buffer) => {
        const message = JSON.parse(data.toString()) as ClientMessage;
        if (message.type !== "subscribe") return;
        open.after = message.after === undefined ? this.world.head : BigInt(message.after);
        const head = this.world.head.toString();
        const hello = { at: new Date().toISOString(), head, type: "hello", ws: message.ws };
        open.send(JSON.stringify(hello));
      });
    });
  }

  /** Decides `rate` times a second from now on; 0 stops. */
  pace(rate: number): void {
    if (this.#ran !== undefined) clearInterval(this.#ran);
    let last = Date.now();
    let debt = 0;
    const timer = setInterval(() => {
      const now = Date.now();
      debt += ((now - last) * rate) / 1_000;
      last = now;
      for (; debt >= 1; debt -= 1) this.world.decide(now);
    }, 50);
    this.#timers.push(timer);
    this.#ran = timer[Symbol.toPrimitive]();
  }

  #flush(): void {
    if (this.silent) return;
    for (const socket of this.#sockets) {
      if (socket.after === undefined) continue;
      const frame = this.world.frame(socket.after);
      if (frame === undefined) continue;
      socket.after = BigInt(frame.to_seq);
      socket.send(JSON.stringify(frame));
    }
  }

  #tell(message: ServerMessage): void {
    for (const socket of this.#sockets) socket.send(JSON.stringify(message));
  }

  /** Cuts every connection. */
  cut(code = 1012): void {
    for (const socket of this.#sockets) socket.close(code);
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    if (this.#ran !== undefined) clearInterval(this.#ran);
    this.cut();
    await this.#app.close();
  }
}
