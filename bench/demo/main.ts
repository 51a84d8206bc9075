import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { Prose, seeded } from "../providers/prose.ts";
import { type Client, work } from "./agent.ts";
import type { Part } from "./cast.ts";
import { type DemoConfig, readConfig, USAGE } from "./config.ts";
import { Tally } from "./tally.ts";

const SUMMARY_MS = 60_000;

/** Lets the demo's agents work until SIGTERM or SIGINT. */
async function main(): Promise<void> {
  const config = await readConfig(process.argv.slice(2));
  if ("mistakes" in config) {
    process.stderr.write(`${config.mistakes.join("\n")}\n\n${USAGE}`);
    process.exitCode = 2;
    return;
  }
  if (config.help) {
    process.stdout.write(USAGE);
    return;
  }
  const print = (line: string) => process.stdout.write(`${line}\n`);
  const tally = new Tally(print, config.verbose);
  const prose = new Prose(config.seed);
  const ending = new AbortController();
  const summaries = setInterval(() => tally.summary(), SUMMARY_MS);
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      // Streams in flight are left as they are: the gateway drains them.
      clearInterval(summaries);
      ending.abort();
      tally.summary();
      process.exit(0);
    });
  }
  if (config.cast.length === 0) {
    print("Both providers are real, so no demo agent spends anything; --providers would let them.");
    return;
  }
  print(`${config.cast.length} agents at work through ${config.gatewayUrl}`);
  await Promise.all(
    config.cast.map((part, index) =>
      work(part, {
        client: clientFor(part, config),
        prose,
        random: seeded(config.seed + index),
        tally,
        rate: config.rate,
        now: () => new Date(),
        signal: ending.signal,
      }),
    ),
  );
}

/** The vendor's own SDK. Retries are the demo's: it waits as long as the gateway asks it to. */
function clientFor(part: Part, config: DemoConfig): Client {
  const apiKey = config.keys.get(part.agent) ?? "";
  const common = { apiKey, maxRetries: 0 };
  if (part.api === "anthropic") {
    return {
      api: "anthropic",
      // A token of the user's own in the environment must not go to the gateway.
      sdk: new Anthropic({
        ...common,
        authToken: null,
        baseURL: `${config.gatewayUrl}/v1/anthropic`,
      }),
    };
  }
  return {
    api: "openai",
    sdk: new OpenAI({ ...common, baseURL: `${config.gatewayUrl}/v1/openai` }),
  };
}

await main();
