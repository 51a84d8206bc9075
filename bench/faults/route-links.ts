import { Link } from "../links/link.ts";

/**
 * The links by which the servers of a NATS cluster reach each other: one in front of each server. A
 * server is isolated by holding all that goes in through its own link, and all that it sends through
 * the others' (routes go both ways, so a held one is dead in both).
 */
export class RouteLinks {
  readonly #links: readonly Link[];

  static async open(servers: number): Promise<RouteLinks> {
    // Where each leads is known once the servers have chosen their ports.
    const nowhere = { host: "127.0.0.1", port: 9 };
    const links = Array.from({ length: servers }, () => Link.open(nowhere));
    return new RouteLinks(await Promise.all(links));
  }

  private constructor(links: readonly Link[]) {
    this.#links = links;
  }

  /** A server's configuration with the routes led over the links; `number` counts from 1. */
  alter(config: string, number: number): string {
    const port = /^TARMAC_NATS_ROUTE_PORT: "?(\d+)"?$/m.exec(config)?.[1];
    const routes = /^TARMAC_NATS_ROUTES: .*$/m.exec(config)?.[0];
    const own = this.#links[number - 1];
    if (port === undefined || routes === undefined || own === undefined) {
      throw new Error("the configuration of a NATS cluster is not as it was");
    }
    own.lead({ host: "127.0.0.1", port: Number(port) });
    let next = 0;
    const linked = routes.replaceAll(/@127\.0\.0\.1:\d+/g, () => {
      const link = this.#links[next];
      next += 1;
      return `@127.0.0.1:${link?.port}`;
    });
    // Servers tell each other where the others are: that must be the link too.
    const advertised = `  advertise: "127.0.0.1:${own.port}"\n  no_advertise: true`;
    return config.replace(routes, linked).replace(/^ {2}no_advertise: true$/m, advertised);
  }

  /** Holds every route of a server, so that it hears nothing of the others nor they of it. */
  isolate(number: number, name: string): void {
    const mine = new RegExp(`^${name}$`);
    for (const [index, link] of this.#links.entries()) {
      if (index === number - 1) link.hold();
      else link.hold(["down", "up"], mine);
    }
  }

  heal(): void {
    for (const link of this.#links) link.heal();
  }

  async close(): Promise<void> {
    for (const link of this.#links) await link.close();
  }
}
