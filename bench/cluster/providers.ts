import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePort } from "../../cli/provision/free-port.ts";
import { startChild } from "../../cli/provision/processes.ts";

/** Simulated providers in a process of their own. */
export interface ProvidersProcess {
  readonly url: string;
  readonly anthropicBaseUrl: string;
  readonly openaiBaseUrl: string;
  stop(): Promise<unknown>;
}

/** Starts the simulated providers without any delay of their own, unless `args` give them one. */
export async function startProvidersProcess(
  dir: string,
  args: readonly string[] = [],
): Promise<ProvidersProcess> {
  const port = await freePort();
  const program = fileURLToPath(new URL("../providers/main.ts", import.meta.url));
  const child = await startChild({
    args: [program, "--port", String(port), "--json", ...args],
    command: process.execPath,
    logFile: join(dir, "logs", "providers.log"),
    name: "providers",
    parentDeathSignal: "SIGTERM",
    stop: [{ graceMs: 3_000, signal: "SIGTERM" }],
  });
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; ; tries += 1) {
    const up = await fetch(`${url}/anthropic/v1/models`).then(
      () => true,
      () => false,
    );
    if (up) break;
    if (tries > 400 || child.exit() !== undefined) {
      throw new Error(`the simulated providers did not start:\n${await child.output()}`);
    }
    await sleep(25);
  }
  return {
    anthropicBaseUrl: `${url}/anthropic`,
    openaiBaseUrl: `${url}/openai/v1`,
    stop: child.stop,
    url,
  };
}
