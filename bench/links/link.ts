/**
 * A TCP link between a client and a server that a test can break: cut off, hold half or all of what
 * is under way, or delay it. It knows NATS connections by the name they give, so that a test can hold
 * the appends of an owner and nothing else, and lets a test read what passes.
 *
 *   up      from who connects to the server
 *   down    from the server back
 *
 * Held bytes are not lost: they arrive when the link is released, even if their sender is gone by then,
 * as a network delivers what it had queued. A cut resets connections and takes no new ones.
 */
import { createServer, connect as dial, type Server, type Socket } from "node:net";

import { Flow } from "./flow.ts";

export type Way = "down" | "up";
export const BOTH_WAYS: readonly Way[] = ["down", "up"];

/** Where a link leads. */
export interface Target {
  readonly host: string;
  readonly port: number;
}

/** What passed a link, in the order it came in. */
export interface Passage {
  /** The name that the connection gave itself; empty when it gave none yet. */
  readonly name: string;
  readonly way: Way;
  readonly text: string;
}

interface Connection {
  name: string;
  readonly near: Socket;
  readonly far: Socket;
  readonly flows: Readonly<Record<Way, Flow>>;
}

/** Which connections and which ways are held. */
interface Hold {
  readonly ways: readonly Way[];
  readonly names: RegExp;
}

export class Link {
  readonly port: number;
  readonly #server: Server;
  #target: Target;
  readonly #connections = new Set<Connection>();
  readonly #taps = new Set<(passage: Passage) => void>();
  #holds: Hold[] = [];
  #delayMs = 0;
  #isCut = false;

  /** Listens on a free port of this machine, or on the one given, and connects on to `target`. */
  static async open(target: Target, port = 0): Promise<Link> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: "127.0.0.1", port }, resolve);
    });
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("a link got no port");
    return new Link(server, address.port, target);
  }

  private constructor(server: Server, port: number, target: Target) {
    this.#server = server;
    this.#target = target;
    this.port = port;
    server.on("connection", (near) => this.#accept(near));
  }

  /** New connections go on to another place. */
  lead(target: Target): void {
    this.#target = target;
  }

  /** Whether everything passes. */
  get isWhole(): boolean {
    return !this.#isCut && this.#holds.length === 0;
  }

  /** Holds what connections of this name send these ways, from now on. */
  hold(ways: readonly Way[] = BOTH_WAYS, names = /(?:)/): void {
    this.#holds.push({ names, ways });
    this.#apply();
  }

  /** Lets everything through that was held. */
  release(): void {
    this.#holds = [];
    this.#apply();
  }

  /** Everything that passes from now on arrives so much later, in ms; 0 ends that. */
  delay(ms: number): void {
    this.#delayMs = ms;
    this.#apply();
  }

  /** Resets every connection and takes none until it is healed. What was held is lost. */
  cut(): void {
    this.#isCut = true;
    for (const connection of [...this.#connections]) this.#reset(connection);
  }

  /** Ends whatever was done to the link. */
  heal(): void {
    this.#isCut = false;
    this.#delayMs = 0;
    this.release();
  }

  /** What is held one way on connections of this name, as text. */
  held(way: Way, names = /(?:)/): string {
    return [...this.#connections]
      .filter(({ name }) => names.test(name))
      .map(({ flows }) => flows[way].waiting)
      .join("");
  }

  /** Tells of everything that comes in, before it is held or delayed. @returns what ends that */
  tap(listener: (passage: Passage) => void): () => void {
    this.#taps.add(listener);
    return () => this.#taps.delete(listener);
  }

  async close(): Promise<void> {
    for (const connection of [...this.#connections]) this.#reset(connection);
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(near: Socket): void {
    near.on("error", () => undefined);
    if (this.#isCut) {
      near.resetAndDestroy();
      return;
    }
    const far = dial({ ...this.#target, noDelay: true });
    far.on("error", () => undefined);
    near.setNoDelay(true);
    const connection: Connection = {
      far,
      flows: { down: new Flow(near), up: new Flow(far) },
      name: "",
      near,
    };
    this.#connections.add(connection);
    this.#pipe(connection, near, "up");
    this.#pipe(connection, far, "down");
    this.#applyTo(connection);
  }

  #pipe(connection: Connection, from: Socket, way: Way): void {
    const flow = connection.flows[way];
    from.on("data", (bytes: Buffer) => {
      if (way === "up" && connection.name === "") {
        connection.name = nameIn(bytes);
        this.#applyTo(connection);
      }
      this.#tell(connection, way, bytes);
      flow.push(bytes);
    });
    from.on("close", () => {
      flow.end();
      this.#forgetWhenOver(connection);
    });
  }

  #tell(connection: Connection, way: Way, bytes: Buffer): void {
    if (this.#taps.size === 0) return;
    const passage = { name: connection.name, text: bytes.toString("latin1"), way };
    for (const listener of this.#taps) listener(passage);
  }

  #apply(): void {
    for (const connection of this.#connections) this.#applyTo(connection);
  }

  #applyTo(connection: Connection): void {
    const { flows, name } = connection;
    for (const way of BOTH_WAYS) {
      const held = this.#holds.some(({ names, ways }) => ways.includes(way) && names.test(name));
      flows[way].set(held, this.#delayMs);
    }
    this.#forgetWhenOver(connection);
  }

  #forgetWhenOver(connection: Connection): void {
    const { down, up } = connection.flows;
    if (down.isOver && up.isOver) this.#connections.delete(connection);
  }

  #reset(connection: Connection): void {
    this.#connections.delete(connection);
    for (const way of BOTH_WAYS) connection.flows[way].drop();
    connection.near.resetAndDestroy();
    connection.far.resetAndDestroy();
  }
}

/** The name in the first thing that a NATS client says: `CONNECT {…,"name":"node-1/0 appends",…}`. */
function nameIn(bytes: Buffer): string {
  return /^CONNECT \{.*?"name":"([^"]*)"/.exec(bytes.toString("latin1"))?.[1] ?? "";
}
