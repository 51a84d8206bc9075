/** Facts of one log line besides its message. */
export type LogFields = Readonly<Record<string, unknown>>;

/** One JSON object a line on stdout. */
export interface Log {
  info(message: string, fields?: LogFields): void;
  /** Something is not as it should be, and goes on. */
  warn(message: string, fields?: LogFields): void;
  /** Somebody must look at this: money or the record of it is concerned. */
  alarm(message: string, fields?: LogFields): void;
}

function plain(value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  return value instanceof Error ? `${value.name}: ${value.message}` : value;
}

/** A log whose every line carries `base`. */
export function jsonLog(
  base: LogFields,
  write: (line: string) => void = (line) => process.stdout.write(line),
): Log {
  const at =
    (level: string) =>
    (message: string, fields: LogFields = {}) => {
      const entry = { at: new Date().toISOString(), level, message, ...base, ...fields };
      write(`${JSON.stringify(entry, (_key, value: unknown) => plain(value))}\n`);
    };
  return { info: at("info"), warn: at("warn"), alarm: at("alarm") };
}
