import type { Clock, Log } from "./ports.ts";

/** The machine's own clocks. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
};

/** One JSON object a line on stdout. */
export function jsonLog(write: (line: string) => void): Log {
  const at = (level: string) => (fields: Readonly<Record<string, unknown>>, message: string) => {
    write(
      `${JSON.stringify({ at: new Date().toISOString(), level, message, ...fields }, plain)}\n`,
    );
  };
  return { info: at("info"), warn: at("warn"), error: at("error") };
}

function plain(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
