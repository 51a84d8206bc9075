/**
 * Goal: a gateway starts with a configuration that makes sense, or says everything that does not.
 * Method: environments, read without a process.
 */
import { expect, test } from "vitest";
import { ConfigError, readConfig } from "./config.ts";

test("config: defaults and provider URLs", () => {
  const config = readConfig({
    TARMAC_NATS_URL: "nats://gateway:x@127.0.0.1:4222",
    TARMAC_PROVIDER_ANTHROPIC_BASE_URL: "http://127.0.0.1:1/anthropic",
    TARMAC_PROVIDER_AZURE_OPENAI_BASE_URL: "https://x.example",
  });
  expect(config).toMatchObject({ bind: "127.0.0.1", port: 8080, allowExecCredentials: false });
  expect(config.decisionMs).toBe(3_000);
  expect(config.home).toMatch(/\/\.tarmac$/);
  expect([...config.providerBaseUrls.keys()].sort()).toEqual(["anthropic", "azure-openai"]);
});

test("config: every mistake at once", () => {
  const wrong = {
    TARMAC_GATEWAY_PORT: "99999",
    TARMAC_PROVIDER_OPENAI_BASE_URL: "ftp://x",
    TARMAC_ALLOW_EXEC_CREDENTIALS: "yes",
    TARMAC_DECISION_MS: "0.5",
  };
  expect(() => readConfig(wrong)).toThrow(ConfigError);
  const names = [
    ...["GATEWAY_PORT", "NATS_URL", "PROVIDER_OPENAI_BASE_URL"],
    ...["ALLOW_EXEC_CREDENTIALS", "DECISION_MS"],
  ];
  for (const name of names) expect(() => readConfig(wrong)).toThrow(`TARMAC_${name}: `);
});
