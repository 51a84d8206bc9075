/**
 * A process that runs both servers in the directory it is given, for tests that kill it or run it
 * as another user. Takes the directory and the path of a nats-server, prints pids and logins as one
 * line of JSON, and stops the servers in order on SIGTERM.
 */
import { join } from "node:path";

import { startNats } from "../nats-server.ts";
import { startPostgres } from "../postgres.ts";
import { stopInOrder } from "../processes.ts";

const [, , dir = "", binary = ""] = process.argv;
const keysDir = join(dir, "keys");
const postgres = await startPostgres({
  dir: join(dir, "postgres"),
  keysDir,
  logFile: join(dir, "logs", "postgres.log"),
});
const nats = await startNats({
  binary,
  dir: join(dir, "nats"),
  keysDir,
  logFile: join(dir, "logs", "nats.log"),
  shards: 4,
});
process.once("SIGTERM", () => {
  void stopInOrder([nats, postgres]).then(() => process.exit(0));
});
const { pid: natsPid, logins } = nats;
const { pid: postgresPid, url: postgresUrl } = postgres;
const uid = process.getuid?.();
process.stdout.write(`${JSON.stringify({ uid, natsPid, logins, postgresPid, postgresUrl })}\n`);
setInterval(() => undefined, 60_000);
