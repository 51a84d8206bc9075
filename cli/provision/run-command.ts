import { execFile } from "node:child_process";

export interface CommandOptions {
  readonly timeoutMs: number;
  readonly cwd?: string;
  /** Replaces the environment of this process, which is inherited otherwise. */
  readonly env?: NodeJS.ProcessEnv;
  readonly uid?: number;
  readonly gid?: number;
}

/** A command that could not be run, failed, or took too long; the message says which, in one line. */
export class CommandFailed extends Error {
  override readonly name = "CommandFailed";
  /** What the command wrote, for callers that look for a known reason. */
  readonly output: string;

  constructor(message: string, output: string, cause: unknown) {
    super(message, { cause });
    this.output = output;
  }
}

/**
 * Runs a command to its end and returns what it wrote to stdout.
 *
 * @throws CommandFailed when it is missing, ends with another code than 0, or takes longer than
 * `timeoutMs`.
 */
export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      command,
      [...args],
      {
        timeout: options.timeoutMs,
        killSignal: "SIGKILL",
        maxBuffer: 16 * 1024 * 1024,
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
        ...(options.env === undefined ? {} : { env: options.env }),
        ...(options.uid === undefined ? {} : { uid: options.uid }),
        ...(options.gid === undefined ? {} : { gid: options.gid }),
      },
      (error, stdout, stderr) => {
        if (error === null) {
          resolve(stdout);
          return;
        }
        const output = `${stdout}\n${stderr}`;
        const message = explain(
          [command, ...args].join(" "),
          error,
          stderr.trim() || stdout.trim(),
        );
        reject(new CommandFailed(message, output, error));
      },
    );
  });
}

function explain(line: string, error: NodeJS.ErrnoException | ExecError, output: string): string {
  const shown = line.length > 60 ? `${line.slice(0, 60)}…` : line;
  if (error.code === "ENOENT") return `\`${line.split(" ")[0]}\` is not on PATH`;
  if ("killed" in error && error.killed === true)
    return `\`${shown}\` took too long and was stopped`;
  const lines = output.split("\n").filter((each) => each.trim() !== "");
  // Tools put the reason last, and pip and apt mark it.
  const marked = lines.filter((each) => /^(ERROR|E|error|fatal)\b/i.test(each));
  const reason = (marked.at(0) ?? lines.at(-1) ?? error.message).trim();
  return `\`${shown}\` failed (${String(error.code ?? "killed")}): ${reason}`;
}

type ExecError = Error & { code?: string | number | null; killed?: boolean };
