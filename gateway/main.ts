import { ConfigCache } from "../bus/config-cache.ts";
import { connectBus, parseNatsUrl } from "../bus/connect.ts";
import { EngineClient } from "../bus/engine-client.ts";
import { readConfig } from "./config.ts";
import { ConfigView } from "./config-view.ts";
import { startGateway } from "./start-gateway.ts";
import { jsonLog } from "./system-clock.ts";

/** Starts the process: NATS, then the gateway, then waits to be told to end. */
async function main(): Promise<void> {
  const log = jsonLog((line) => process.stdout.write(line));
  const config = readConfig();
  const nats = await connectBus(parseNatsUrl(config.natsUrl, "gateway", config.natsCa));
  const cache = new ConfigCache(nats, (message) => log.warn({}, message));
  const gateway = await startGateway(config, new EngineClient(nats), new ConfigView(cache), log);
  log.info({ url: gateway.url }, "the gateway serves");
  let ending = false;
  const end = (signal: string) => {
    if (ending) return;
    ending = true;
    log.info({ signal }, "the gateway ends");
    gateway
      .stop()
      .then(async () => {
        cache.stop();
        await nats.close();
        process.exit(0);
      })
      .catch((cause: unknown) => {
        log.error({ cause: String(cause) }, "the gateway did not end cleanly");
        process.exit(1);
      });
  };
  process.on("SIGTERM", () => end("SIGTERM"));
  process.on("SIGINT", () => end("SIGINT"));
}

if (import.meta.main) {
  main().catch((cause: unknown) => {
    const message = cause instanceof Error ? cause.message : String(cause);
    process.stderr.write(`The gateway cannot start.\n${message}\n`);
    process.exit(1);
  });
}
