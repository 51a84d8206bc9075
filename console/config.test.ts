/**
 * Goal: the environment of a console is refused whole, every mistake named, and defaults are as
 * documented. Method: environments by hand.
 */
import { expect, test } from "vitest";
import { type ConfigError, readConfig, readLinkConfig } from "./config.ts";
import { consoleUrl } from "./start-console.ts";

const GOOD = {
  TARMAC_NATS_URL: "nats://console:x@127.0.0.1:4222",
  TARMAC_POSTGRES_URL: "postgres://tarmac@127.0.0.1:5432/tarmac",
};

test("config: defaults", () => {
  expect(readConfig(GOOD)).toMatchObject({
    bind: "127.0.0.1",
    port: 8090,
    publicUrl: undefined,
    simulatedProviders: [],
  });
});

test("config: every mistake is named at once", () => {
  let message = "";
  try {
    readConfig({
      TARMAC_CONSOLE_PORT: "99999",
      TARMAC_CONSOLE_URL: "tarmac.example.com/console",
      TARMAC_NATS_URL: "http://127.0.0.1",
      TARMAC_SIMULATED_PROVIDERS: "anthropic,Open AI",
    });
  } catch (error) {
    message = (error as ConfigError).message;
  }
  expect(message.split("\n").map((line) => line.split(":")[0])).toEqual([
    "TARMAC_CONSOLE_PORT",
    "TARMAC_CONSOLE_URL",
    "TARMAC_NATS_URL",
    "TARMAC_POSTGRES_URL",
    "TARMAC_SIMULATED_PROVIDERS",
  ]);
});

test("config: a link needs no servers, and names the address where people open it", () => {
  expect(consoleUrl(readLinkConfig({}))).toBe("http://127.0.0.1:8090");
  expect(consoleUrl(readLinkConfig({ TARMAC_BIND: "0.0.0.0" }))).toBe("http://127.0.0.1:8090");
  expect(consoleUrl(readLinkConfig({ TARMAC_BIND: "::1" }))).toBe("http://[::1]:8090");
  const publicUrl = { TARMAC_CONSOLE_URL: "https://tarmac.example.com/" };
  expect(consoleUrl(readLinkConfig(publicUrl))).toBe("https://tarmac.example.com");
});
