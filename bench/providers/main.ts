import { readConfig, USAGE } from "./config.ts";
import { startProviders } from "./server.ts";

/** Runs the simulated providers until SIGTERM or SIGINT. */
async function main(): Promise<void> {
  const config = readConfig(process.argv.slice(2));
  if ("mistakes" in config) {
    process.stderr.write(`${config.mistakes.join("\n")}\n\n${USAGE}`);
    process.exitCode = 2;
    return;
  }
  if (config.help) {
    process.stdout.write(USAGE);
    return;
  }
  const providers = await startProviders(config);
  const { url, port, anthropicBaseUrl, openaiBaseUrl } = providers;
  if (config.json) {
    const line = {
      url,
      port,
      anthropic_base_url: anthropicBaseUrl,
      openai_base_url: openaiBaseUrl,
    };
    process.stdout.write(`${JSON.stringify({ ...line, pid: process.pid })}\n`);
  } else {
    process.stdout.write(
      `simulated Anthropic  ${anthropicBaseUrl}\nsimulated OpenAI     ${openaiBaseUrl}\n`,
    );
  }

  let stopping = false;
  const stop = () => {
    // A second signal does not wait for the first to be done.
    if (stopping) process.exit(1);
    stopping = true;
    void providers.stop().then(() => process.exit(0));
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}

try {
  await main();
} catch (error) {
  // Such as a port that is taken: the system's own message names it.
  process.stderr.write(`simulated providers could not start: ${String(error)}\n`);
  process.exitCode = 1;
}
