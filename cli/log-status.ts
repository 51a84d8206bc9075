import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";

/** What a node says of its logs in its health file. */
const healthSchema = z.object({
  halted_logs: z.array(z.object({ reason: z.string(), ws: z.string() })).default([]),
});

/** Whether every ledger is signed on, as the nodes of this machine say it; the reason where one is not. */
export async function logsStatus(
  home: string,
): Promise<{ readonly name: string; readonly ok: boolean; readonly detail: string }> {
  const folder = join(home, "nodes");
  const files = (await readdir(folder).catch(() => [])).filter((file) => file.endsWith(".json"));
  const halted: string[] = [];
  for (const file of files) {
    const text = await readFile(join(folder, file), "utf8").catch(() => "{}");
    const health = healthSchema.safeParse(jsonOrEmpty(text));
    if (!health.success) continue;
    for (const { ws, reason } of health.data.halted_logs) halted.push(`${ws}: ${reason}`);
  }
  const name = "ledgers signed";
  if (halted.length === 0) return { detail: "none halted", name, ok: true };
  return { detail: `HALTED ${halted.join("; ")}; see: tarmac logs node-1`, name, ok: false };
}

/** A file that was taken away while it was read says nothing. */
function jsonOrEmpty(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
