import { readFileSync } from "node:fs";

import { LogKeyProblem, readLogKeys } from "../../readmodel/log-keys.ts";

/** Where signing keys are kept: a file, which may change while the node runs, or what a variable held. */
export type KeySource =
  | { readonly file: string }
  | { readonly variable: string; readonly text: string };

/**
 * Reads `TARMAC_LOG_KEY`: `file:PATH` and `env:NAME`, several with commas, the newest key first. Each
 * has to hold keys now; what is wrong goes to `problems`, and never what it holds.
 */
export function readKeySources(env: NodeJS.ProcessEnv, problems: string[]): readonly KeySource[] {
  const references = (env["TARMAC_LOG_KEY"] ?? "").split(",").map((part) => part.trim());
  const sources: KeySource[] = [];
  for (const reference of references.filter((part) => part !== "")) {
    const [, kind, rest] = /^(file|env):(.+)$/.exec(reference) ?? [];
    if (kind === undefined || rest === undefined) {
      // It may be the key itself.
      problems.push("TARMAC_LOG_KEY: must be of file:PATH and env:NAME, with commas between them");
      continue;
    }
    const source = kind === "file" ? { file: rest } : { variable: rest, text: env[rest] ?? "" };
    const problem = problemOf(source);
    if (problem === undefined) sources.push(source);
    else problems.push(`TARMAC_LOG_KEY: ${reference}: ${problem}`);
  }
  return sources;
}

function problemOf(source: KeySource): string | undefined {
  if ("variable" in source && source.text === "") return "is not set";
  try {
    readLogKeys("file" in source ? readFileSync(source.file, "utf8") : source.text);
    return undefined;
  } catch (error) {
    if (error instanceof LogKeyProblem) return error.message;
    const reason = error instanceof Error ? error.message : String(error);
    return `cannot be read (${reason}); make a key there: tarmac log-key rotate --file PATH`;
  }
}
