import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { readClusterFile } from "../cluster/cluster-file.ts";
import { homeAt } from "../cluster/home.ts";
import { cliConfig } from "../config.ts";

/** Runs a process of the cluster in the foreground, with its own configuration and exit code. */
function run(
  path: string,
  args: readonly string[],
  env?: Readonly<NodeJS.ProcessEnv>,
): Promise<void> {
  const program = fileURLToPath(new URL(`../../${path}`, import.meta.url));
  const child = spawn(process.execPath, [program, ...args], {
    stdio: "inherit",
    ...(env === undefined ? {} : { env }),
  });
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
  tarmac
    .command("console")
    .description("run one console here, against TARMAC_NATS_URL and TARMAC_POSTGRES_URL")
    .option("--link", "print a link that signs in once to the console that runs, and end")
    .option("--name <name>", "whom the link signs in", "operator")
    .option("--role <role>", "viewer, operator, finance or admin", "admin")
    .option("--workspace <names...>", "what the link lets see; every workspace unless given")
    .action((options: ConsoleOptions) =>
      options.link === true ? printLink(options) : run("console/main.ts", []),
    );
}

interface ConsoleOptions {
  readonly link?: boolean;
  readonly name: string;
  readonly role: string;
  readonly workspace?: readonly string[];
}

/** A link to the console of the cluster on this machine, whatever address it was started with. */
async function printLink({ name, role, workspace = [] }: ConsoleOptions): Promise<void> {
  const { environment, home } = cliConfig();
  const cluster = await readClusterFile(homeAt(home).clusterFile);
  const url = environment["TARMAC_CONSOLE_URL"] ?? cluster?.console_url;
  const args = ["--link", "--name", name, "--role", role];
  for (const ws of workspace) args.push("--workspace", ws);
  await run("console/main.ts", args, {
    ...environment,
    TARMAC_HOME: home,
    ...(url === undefined ? {} : { TARMAC_CONSOLE_URL: url }),
  });
}
