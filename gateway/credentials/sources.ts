import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

/** A secret could not be had. The message says where it was looked for and never what it is. */
export class CredentialFault extends Error {
  override readonly name = "CredentialFault";
  readonly code = "credential-fault";
  readonly outcome = "none";
}

/** How long a program may take to print a secret, in ms. */
const EXEC_MS_MAX = 10_000;
/** A secret is a line, not a file by mistake. Bytes. */
const SECRET_BYTES_MAX = 16 * 1024;

const run = promisify(execFile);

/** A variable of the gateway's environment. @throws CredentialFault when it is not set. */
export function fromEnv(name: string, environment: Readonly<Record<string, string | undefined>>) {
  const secret = environment[name]?.trim();
  if (secret === undefined || secret === "") {
    throw new CredentialFault(`the gateway's environment has no ${name}`);
  }
  return secret;
}

/** The first line of a file. @throws CredentialFault when it cannot be read. */
export async function fromFile(path: string): Promise<string> {
  try {
    return oneLine(await readFile(path, "utf8"), path);
  } catch (cause) {
    if (cause instanceof CredentialFault) throw cause;
    throw new CredentialFault(`${path} cannot be read`, { cause });
  }
}

/** What a program prints; no shell is involved. @throws CredentialFault when it fails. */
export async function fromProgram(command: readonly string[]): Promise<string> {
  const [program = "", ...args] = command;
  try {
    const options = { timeout: EXEC_MS_MAX, maxBuffer: SECRET_BYTES_MAX, windowsHide: true };
    const { stdout } = await run(program, args, options);
    return oneLine(stdout, program);
  } catch (cause) {
    if (cause instanceof CredentialFault) throw cause;
    throw new CredentialFault(`${program} did not print a credential`, { cause });
  }
}

function oneLine(text: string, from: string): string {
  const line = text.trim();
  if (line === "") throw new CredentialFault(`${from} is empty`);
  // A line break in a header would end it.
  if (line.length > SECRET_BYTES_MAX || /[\r\n\0]/.test(line)) {
    throw new CredentialFault(`${from} holds more than one line`);
  }
  return line;
}
