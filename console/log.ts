/** Facts of one log line besides its message. */
export type LogFields = Readonly<Record<string, unknown>>;

/** One JSON object a line on stdout. */
export interface Log {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** A log that writes lines. */
export function jsonLog(write: (line: string) => void): Log {
  const at =
    (level: string) =>
    (message: string, fields: LogFields = {}) => {
      const entry = { at: new Date().toISOString(), level, message, ...fields };
      write(`${JSON.stringify(entry, plain)}\n`);
    };
  return { info: at("info"), warn: at("warn"), error: at("error") };
}

function plain(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  return value instanceof Error ? `${value.name}: ${value.message}` : value;
}
