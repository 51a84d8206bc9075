import { parseArgs } from "node:util";
import { connectBus, parseNatsUrl } from "../bus/connect.ts";
import { grantSchema, ROLES } from "./access/grant.ts";
import { SignInLinks } from "./access/sign-in-links.ts";
import { readConfig, readLinkConfig } from "./config.ts";
import { jsonLog } from "./log.ts";
import { consoleUrl, startConsole } from "./start-console.ts";

const HELP = `Runs the console's server, against TARMAC_NATS_URL and TARMAC_POSTGRES_URL.

  --link                 print a link that signs in once, within 24 h, and end
  --name <name>          whom it signs in; operator unless given
  --role <role>          ${ROLES.join(", ")}; admin unless given
  --workspace <name>     may be given several times; every workspace unless given

TARMAC_CONSOLE_PORT (8090), TARMAC_BIND (127.0.0.1), TARMAC_HOME (.tarmac), and TARMAC_CONSOLE_URL where
people open it at another address, such as https://tarmac.example.com.
`;

/** Starts the process, or makes a link. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      help: { type: "boolean" },
      link: { type: "boolean" },
      name: { type: "string" },
      role: { type: "string" },
      workspace: { type: "string", multiple: true },
    },
  });
  if (values.help === true) {
    process.stdout.write(HELP);
    return;
  }
  if (values.link === true) return printLink(values);
  await serve();
}

interface LinkOptions {
  readonly name?: string | undefined;
  readonly role?: string | undefined;
  readonly workspace?: string[] | undefined;
}

/** Prints a sign-in link; the server need not run yet. */
async function printLink({ name, role, workspace }: LinkOptions): Promise<void> {
  const config = readLinkConfig();
  const grant = grantSchema.safeParse({
    name: name ?? "operator",
    role: role ?? "admin",
    ...(workspace === undefined ? {} : { workspaces: workspace }),
  });
  if (!grant.success) {
    const problems = grant.error.issues.map(
      ({ message, path }) => `--${String(path[0]).replace("workspaces", "workspace")}: ${message}`,
    );
    throw new Error(problems.join("\n"));
  }
  const token = await new SignInLinks(config.home).make(grant.data, Date.now());
  process.stdout.write(`${consoleUrl(config)}/sign-in?token=${token}\n`);
}

async function serve(): Promise<void> {
  const log = jsonLog((line) => process.stdout.write(line));
  const config = readConfig();
  const nats = await connectBus(parseNatsUrl(config.natsUrl, "console", config.natsCa));
  const running = await startConsole(config, nats, log).catch(async (error: unknown) => {
    await nats.close();
    throw error;
  });
  log.info("the console serves", { url: running.url });
  let ending = false;
  const end = (signal: string) => {
    if (ending) return;
    ending = true;
    log.info("the console ends", { signal });
    running
      .stop()
      .then(async () => {
        await nats.close();
        process.exit(0);
      })
      .catch((cause: unknown) => {
        log.error("the console did not end cleanly", { cause });
        process.exit(1);
      });
  };
  process.on("SIGTERM", () => end("SIGTERM"));
  process.on("SIGINT", () => end("SIGINT"));
}

if (import.meta.main) {
  main().catch((cause: unknown) => {
    const message = cause instanceof Error ? cause.message : String(cause);
    process.stderr.write(`The console cannot start.\n${message}\n`);
    process.exit(1);
  });
}
