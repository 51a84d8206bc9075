import { resolve } from "node:path";
import type { Command } from "commander";
import { ensureComposeSecrets, withSecrets } from "../compose-secrets.ts";
import { note, print } from "../output.ts";

export function addComposeCommands(tarmac: Command): void {
  tarmac
    .command("compose-secrets")
    .description("make the passwords and the signing key that docker-compose.yml asks for")
    .option("-f, --file <path>", "where to; what is there stays as it is", ".env")
    .option("--print", "print them, and write no file")
    .action(composeSecrets);
}

async function composeSecrets(options: {
  readonly file: string;
  readonly print?: boolean;
}): Promise<void> {
  if (options.print === true) return print(withSecrets("").text.trimEnd());
  const path = resolve(options.file);
  const made = await ensureComposeSecrets(path);
  note(
    made.length === 0
      ? `${path} has all secrets already.`
      : `Made ${made.length} secrets in ${path}: ${made.join(", ")}.`,
  );
}
