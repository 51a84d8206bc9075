/** `tarmac node`: an engine node as a process of its own. Logs JSON lines on stdout. */
import { ConfigRefused, readNodeConfig } from "./config.ts";
import { jsonLog } from "./log.ts";
import { NodeProcess } from "./node-process.ts";

/** Arguments or environment are wrong. */
const USAGE = 2;

async function main(): Promise<number> {
  const config = readNodeConfig();
  const log = jsonLog({ node: config.name });
  let node: NodeProcess | undefined;
  let stopped = false;
  const stop = () => {
    stopped = true;
    node?.drain();
    // Before the threads are there, there is nothing to hand over.
    if (node === undefined) process.exit(0);
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  try {
    node = await NodeProcess.start(config, log);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    log.alarm("node cannot start", { reason });
    process.stderr.write(`${reason}\n`);
    return 1;
  }
  if (stopped) node.drain();
  return await node.ended;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof ConfigRefused)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = USAGE;
}
process.exit();
