/**
 * A process that starts one child and then does nothing, for tests that kill it. Takes a ChildSpec
 * as JSON, prints the child's pid, and stops the child on SIGTERM.
 */
import { type ChildSpec, startChild } from "../processes.ts";

const spec = JSON.parse(process.argv[2] ?? "{}") as ChildSpec;
const child = await startChild(spec);
process.once("SIGTERM", () => {
  void child.stop().then(() => process.exit(0));
});
process.stdout.write(`${JSON.stringify({ pid: child.pid })}\n`);
setInterval(() => undefined, 60_000);
