import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { CAST, type DemoApi, type Part } from "./cast.ts";

/** What the demo was started with. */
export interface DemoConfig {
  readonly gatewayUrl: string;
  /** Secret of the gateway's key by agent. */
  readonly keys: ReadonlyMap<string, string>;
  readonly cast: readonly Part[];
  readonly rate: number;
  readonly seed: number;
  readonly verbose: boolean;
  readonly help: boolean;
}

export const USAGE = `Usage: node bench/demo/main.ts --gateway URL (--keys FILE | --key SECRET) [options]

Agents of four priorities at work through a gateway, in the workspace demo.

  --gateway URL     the gateway (default http://127.0.0.1:8080)
  --keys FILE       JSON object of agent to key; agents without a key stay at home
  --key SECRET      one key for all agents, each named by x-tarmac-agent
  --agents A,B      only these agents
  --providers P,Q   only agents that use these: anthropic, openai (default: those without a real
                    key in ANTHROPIC_API_KEY or OPENAI_API_KEY, because the demo spends what it may)
  --rate N          how busy they are, as a multiple of the usual (default 1)
  --seed N          the same seed makes up the same questions (default: the time)
  --verbose         print every call
`;

/** Reads the command line and the key file. Reports every mistake at once. */
export async function readConfig(
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<DemoConfig | { readonly mistakes: readonly string[] }> {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(args);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return { mistakes: [error.message] };
  }
  const mistakes: string[] = [];
  const gatewayUrl = values.gateway ?? "http://127.0.0.1:8080";
  if (!URL.canParse(gatewayUrl)) mistakes.push(`--gateway: not a URL: ${gatewayUrl}`);
  const rate = Number(values.rate ?? "1");
  if (!(rate > 0 && rate <= 1_000))
    mistakes.push(`--rate: expected a number above 0 and up to 1000, not ${values.rate}`);
  const seed = Number(values.seed ?? Date.now() % 0xffff_ffff);
  if (!Number.isInteger(seed) || seed < 0)
    mistakes.push(`--seed: expected a whole number, not ${values.seed}`);
  const apis = values.providers?.split(",") ?? simulatedApis(env);
  const chosen = chosenCast(values.agents, apis, mistakes);
  const keys =
    values.help === true ? new Map<string, string>() : await keysOf(values, chosen, mistakes);
  const cast = chosen.filter(({ agent }) => keys.has(agent));
  if (mistakes.length === 0 && cast.length === 0 && chosen.length > 0 && values.help !== true) {
    mistakes.push("--keys: none of the demo's agents has a key there");
  }
  if (mistakes.length > 0) return { mistakes };
  const flags = { verbose: values.verbose === true, help: values.help === true };
  return { gatewayUrl: gatewayUrl.replace(/\/+$/, ""), keys, cast, rate, seed, ...flags };
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      gateway: { type: "string" },
      keys: { type: "string" },
      key: { type: "string" },
      agents: { type: "string" },
      providers: { type: "string" },
      rate: { type: "string" },
      seed: { type: "string" },
      verbose: { type: "boolean" },
      help: { type: "boolean" },
    },
  }).values;
}

/** A provider with a key of the user's own is real (contract.md): no demo agent spends there unasked. */
function simulatedApis(env: NodeJS.ProcessEnv): readonly DemoApi[] {
  const apis: DemoApi[] = [];
  if ((env["ANTHROPIC_API_KEY"] ?? "") === "") apis.push("anthropic");
  if ((env["OPENAI_API_KEY"] ?? "") === "") apis.push("openai");
  return apis;
}

function chosenCast(
  agents: string | undefined,
  apis: readonly string[],
  mistakes: string[],
): readonly Part[] {
  const names = agents?.split(",") ?? CAST.map(({ agent }) => agent);
  for (const name of names) {
    if (CAST.some(({ agent }) => agent === name)) continue;
    mistakes.push(
      `--agents: there is no ${name}; there are ${CAST.map(({ agent }) => agent).join(", ")}`,
    );
  }
  for (const api of apis) {
    if (api !== "anthropic" && api !== "openai")
      mistakes.push(`--providers: expected anthropic or openai, not ${api}`);
  }
  return CAST.filter(({ agent, api }) => names.includes(agent) && apis.includes(api));
}

async function keysOf(
  values: { readonly keys?: string | undefined; readonly key?: string | undefined },
  cast: readonly Part[],
  mistakes: string[],
): Promise<ReadonlyMap<string, string>> {
  const { key } = values;
  if (key !== undefined) return new Map(cast.map(({ agent }) => [agent, key]));
  if (values.keys === undefined) {
    mistakes.push("--keys or --key is needed: the gateway knows agents by their keys");
    return new Map();
  }
  try {
    const json: unknown = JSON.parse(await readFile(values.keys, "utf8"));
    if (typeof json !== "object" || json === null || Array.isArray(json)) {
      mistakes.push(`--keys: ${values.keys} does not hold an object of agent to key`);
      return new Map();
    }
    return new Map(
      Object.entries(json).filter(
        (entry): entry is [string, string] => typeof entry[1] === "string",
      ),
    );
  } catch (error) {
    mistakes.push(
      `--keys: ${values.keys} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
    return new Map();
  }
}
