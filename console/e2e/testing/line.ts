/** A TCP line between a browser and a console that can fall silent or be cut, as lines do. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export class Line {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #silent = false;
  #refusing = false;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.url = `http://127.0.0.1:${port}`;
  }

  /** A line to a server on this machine. */
  static open(port: number): Promise<Line> {
    return new Promise((resolve, reject) => {
      let line: Line | undefined;
      const server = createServer((near) => line?.join(near, port));
      server.once("error", reject);
      server.listen(0, "127.0.0.1", () => {
        line = new Line(server, (server.address() as AddressInfo).port);
        resolve(line);
      });
    });
  }

  private join(near: Socket, port: number): void {
    if (this.#refusing) {
      near.destroy();
      return;
    }
    const far = connect(port, "127.0.0.1");
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      from.on("data", (bytes: Buffer) => {
        if (!this.#silent) to.write(bytes);
      });
      from.on("error", () => to.destroy());
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
  }

  /** Connections stand, and nothing comes through any more: what was sent is lost. */
  silence(): void {
    this.#silent = true;
  }

  /** Ends every connection, and takes none until it is mended. */
  cut(): void {
    this.#refusing = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    // What was lost in silence leaves its connections unusable.
    if (this.#silent) for (const socket of this.#sockets) socket.destroy();
    this.#silent = false;
    this.#refusing = false;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
