/**
 * Goal: the environment is read once and refused whole, with every mistake. Method: environments by
 * hand, good and bad.
 */
import { expect, test } from "vitest";
import { type ConfigInvalid, cliConfig } from "./config.ts";

test("config: an empty environment gives the documented defaults", () => {
  expect(cliConfig({})).toMatchObject({
    bind: "127.0.0.1",
    consolePort: 8090,
    demo: true,
    gatewayPort: 8080,
    nodes: 2,
    shards: 4,
  });
});

test("config: every mistake is reported at once, each naming its variable", () => {
  let problems: readonly string[] = [];
  try {
    cliConfig({
      TARMAC_CONSOLE_PORT: "http",
      TARMAC_DEMO: "yes",
      TARMAC_GATEWAY_PORT: "80800",
      TARMAC_NATS_URL: "http://127.0.0.1",
      TARMAC_NODES: "0",
      TARMAC_POSTGRES_URL: "mysql://x",
    });
  } catch (error) {
    problems = (error as ConfigInvalid).problems;
  }
  const named = problems.map((problem) => problem.split(":")[0]).sort();
  expect(named).toEqual([
    "TARMAC_CONSOLE_PORT",
    "TARMAC_DEMO",
    "TARMAC_GATEWAY_PORT",
    "TARMAC_NATS_URL",
    "TARMAC_NODES",
    "TARMAC_POSTGRES_URL",
  ]);
});

test("config: a NATS of one's own needs its system URL too", () => {
  expect(() => cliConfig({ TARMAC_NATS_URL: "nats://operator:x@127.0.0.1:4222" })).toThrow(
    /TARMAC_NATS_SYSTEM_URL/,
  );
});

test("config: gateway and console need ports of their own", () => {
  expect(() => cliConfig({ TARMAC_CONSOLE_PORT: "8080" })).toThrow(/must not be the same/);
});
