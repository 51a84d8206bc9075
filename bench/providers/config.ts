import { parseArgs } from "node:util";
import { type BehaviorPatch, LIFELIKE, readPatch } from "./behavior.ts";
import type { ProviderOptions } from "./server.ts";

/** What the process was started with. */
export interface Config extends ProviderOptions {
  /** Print one JSON object instead of lines for people. */
  readonly json: boolean;
  readonly help: boolean;
}

export const USAGE = `Usage: node bench/providers/main.ts [options]

Simulated Anthropic and OpenAI, in the vendors' wire formats.

  --port N               port; 0 takes a free one (default 0)
  --host H               address to listen on (default 127.0.0.1)
  --seed N               the same seed gives the same answers (default 1)
  --lifelike             delays as a real provider has them
  --behavior JSON        knobs for every request, e.g. '{"firstByteMs":300}'
  --key K                accept only this key; may be repeated
  --model PROVIDER/ID    serve this model too; may be repeated
  --keep N               served records to keep in memory (default all)
  --json                 print {url, port, anthropic_base_url, openai_base_url, pid} on one line
`;

/** Reads the command line. Reports every mistake at once. */
export function readConfig(
  args: readonly string[],
): Config | { readonly mistakes: readonly string[] } {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(args);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return { mistakes: [error.message] };
  }
  const mistakes: string[] = [];
  const whole = (name: string, text: string | undefined, most: number): number | undefined => {
    if (text === undefined) return undefined;
    const value = Number(text);
    if (text !== "" && Number.isInteger(value) && value >= 0 && value <= most) return value;
    mistakes.push(`--${name}: expected a whole number from 0 to ${most}, not ${text}`);
    return undefined;
  };
  const port = whole("port", values.port, 65_535);
  const seed = whole("seed", values.seed, 0xffff_ffff);
  const keepRecords = whole("keep", values.keep, Number.MAX_SAFE_INTEGER);
  const behavior = behaviorOf(values.behavior, values.lifelike === true, mistakes);
  const models: Record<"anthropic" | "openai", string[]> = { anthropic: [], openai: [] };
  for (const model of values.model ?? []) {
    const [provider = "", ...rest] = model.split("/");
    if ((provider === "anthropic" || provider === "openai") && rest.length > 0)
      models[provider].push(rest.join("/"));
    else mistakes.push(`--model: expected anthropic/ID or openai/ID, not ${model}`);
  }
  if (mistakes.length > 0) return { mistakes };
  return {
    json: values.json === true,
    help: values.help === true,
    behavior,
    models,
    ...(port !== undefined && { port }),
    ...(seed !== undefined && { seed }),
    ...(keepRecords !== undefined && { keepRecords }),
    ...(values.host !== undefined && { host: values.host }),
    ...(values.key !== undefined && { keys: values.key }),
  };
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      port: { type: "string" },
      host: { type: "string" },
      seed: { type: "string" },
      lifelike: { type: "boolean" },
      behavior: { type: "string" },
      key: { type: "string", multiple: true },
      model: { type: "string", multiple: true },
      keep: { type: "string" },
      json: { type: "boolean" },
      help: { type: "boolean" },
    },
  }).values;
}

function behaviorOf(
  text: string | undefined,
  lifelike: boolean,
  mistakes: string[],
): BehaviorPatch {
  const base = lifelike ? LIFELIKE : {};
  if (text === undefined) return base;
  try {
    const read = readPatch(JSON.parse(text));
    mistakes.push(...(read.mistakes ?? []).map((mistake) => `--behavior: ${mistake}`));
    return { ...base, ...read.patch };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    mistakes.push(`--behavior: not JSON: ${error.message}`);
    return base;
  }
}
