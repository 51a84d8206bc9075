import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { z } from "zod";

const provider = z.enum(["real", "simulated"]);

const schema = z.strictObject({
  v: z.literal(1),
  /** The supervisor. */
  pid: z.number().int(),
  started_at: z.string(),
  gateway_url: z.string(),
  console_url: z.string(),
  nats_url: z.string(),
  /** URLs with users and passwords: the file is 0600. */
  operator_url: z.string(),
  system_url: z.string(),
  postgres_url: z.string(),
  workspace: z.string(),
  providers: z.strictObject({ anthropic: provider, openai: provider }),
  processes: z.array(z.strictObject({ name: z.string(), pid: z.number().int() })),
});

/** What runs on this machine, as `tarmac up` wrote it down. */
export type ClusterFile = z.infer<typeof schema>;

/** No cluster runs from this home, or what is written of it cannot be read. */
export class NoCluster extends Error {
  override readonly name = "NoCluster";
}

/** Writes the file whole or not at all; only its owner may read it. */
export async function writeClusterFile(path: string, cluster: ClusterFile): Promise<void> {
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, `${JSON.stringify(cluster, null, 2)}\n`, { mode: 0o600 });
  await rename(draft, path);
}

/** The cluster that runs from a home, or `undefined` when none does. @throws NoCluster when unreadable */
export async function readClusterFile(path: string): Promise<ClusterFile | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const parsed = schema.safeParse(parseOrUndefined(text));
  if (!parsed.success) {
    throw new NoCluster(
      `${path} is not what this version writes. Stop Tarmac, remove the file, start again.`,
    );
  }
  return isAlive(parsed.data.pid) ? parsed.data : undefined;
}

export async function removeClusterFile(path: string): Promise<void> {
  await rm(path, { force: true });
}

function parseOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The schema then says what is wrong with the file, which is all of it.
    return undefined;
  }
}

/** True while a process of this number runs; it may be another one after a restart of the machine. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
