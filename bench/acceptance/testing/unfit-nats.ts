/** Servers that an engine must not trust its journal to. */
import { mkdir, writeFile } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort, isPortFree } from "../../../cli/provision/free-port.ts";
import { natsPasswords, renderNatsConfig } from "../../../cli/provision/nats-config.ts";
import { startChild } from "../../../cli/provision/processes.ts";
import type { Machine } from "./machine.ts";

/** A server that stands in for the machine's own, on another port. */
export interface UnfitNats {
  readonly port: number;
  readonly stop: () => Promise<unknown>;
}

/** A real nats-server with Tarmac's configuration but for `sync_interval: always`. */
export async function startUnsyncedNats(machine: Machine): Promise<UnfitNats> {
  const port = await freePort();
  const dir = join(machine.dir, "unsynced-nats");
  await mkdir(dir, { recursive: true });
  const passwords = await natsPasswords(join(machine.dir, "keys"));
  const host = "127.0.0.1";
  const shards = machine.shards;
  const config = await renderNatsConfig({ host, passwords, port, shards, storeDir: dir });
  const file = join(dir, "server.conf");
  const unsynced = config.replace("sync_interval: always", "");
  if (unsynced === config) throw new Error("nats.conf does not say sync_interval: always");
  await writeFile(file, unsynced, { mode: 0o600 });
  const child = await startChild({
    args: ["-c", file],
    command: machine.natsBinary,
    logFile: machine.logFile("unsynced-nats"),
    name: "unsynced-nats",
    parentDeathSignal: "SIGTERM",
    stop: [{ graceMs: 5_000, signal: "SIGTERM" }],
  });
  while (await isPortFree(port)) await sleep(20);
  return { port, stop: child.stop };
}

/**
 * The machine's own server seen through a proxy that makes it introduce itself as an older one, in
 * every `INFO` with which it does so.
 */
export async function startOldNats(machine: Machine, version: string): Promise<UnfitNats> {
  const sockets = new Set<Socket>();
  const proxy = createServer((client) => {
    const server = connect(machine.portNumbers.nats, "127.0.0.1");
    for (const socket of [client, server]) {
      sockets.add(socket);
      // Either end may go first; the other follows.
      socket.on("error", () => undefined);
      socket.on("close", () => {
        client.destroy();
        server.destroy();
      });
    }
    server.on("data", (chunk: Buffer) => {
      const text = chunk.toString("latin1");
      const older = text.replace(/^(INFO .*"version":)"[^"]+"/m, `$1"${version}"`);
      client.write(Buffer.from(older, "latin1"));
    });
    client.pipe(server);
  });
  const port = await freePort();
  await new Promise<void>((resolve) => proxy.listen(port, "127.0.0.1", resolve));
  const stop = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => proxy.close(resolve));
  };
  return { port, stop };
}
