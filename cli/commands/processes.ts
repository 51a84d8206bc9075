import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";

/** Runs a process of the cluster in the foreground, with its own configuration and exit code. */
function run(path: string, args: readonly string[]): Promise<void> {
  const program = fileURLToPath(new URL(`../../${path}`, import.meta.url));
  const child = spawn(process.execPath, [program, ...args], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C to the child as well.
      if (signal === "SIGTERM" || !process.stdin.isTTY) child.kill(signal);
    });
  }
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      process.exitCode = signal === null ? (code ?? 1) : 1;
      resolve();
    });
  });
}

export function addProcessCommands(tarmac: Command): void {
  tarmac
    .command("node")
    .description("run one engine node here, against TARMAC_NATS_URL and TARMAC_POSTGRES_URL")
    .option("--init", "make the journal where there is none: the first node of a new cluster only")
    .option("--unsafe-dev", "run on a JetStream that does not sync every write")
    .action((options: { readonly init?: boolean; readonly unsafeDev?: boolean }) =>
      run("nodes/main.ts", [
        ...(options.init === true ? ["--init"] : []),
        ...(options.unsafeDev === true ? ["--unsafe-dev"] : []),
      ]),
    );
  tarmac
    .command("gateway")
    .description("run one gateway here, against TARMAC_NATS_URL")
    .action(() => run("gateway/main.ts", []));
}
