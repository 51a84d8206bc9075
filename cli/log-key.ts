/**
 * Rotation of the key that signs the ledgers, in two steps with time between them:
 *
 *   rotate  a new key is made and signs beside the old one; every workspace has it as an entry
 *   retire  once checkpoints of both cover that entry, the old one is ended, again by an entry
 *
 * Whoever trusts the old key finds the new one in a ledger that the old one has signed. Each step can be
 * run again when it was cut short.
 */
import { encodeBase64 } from "../ledger/base64.ts";
import type { ConfigChange } from "../ledger/workspace-config.ts";
import type { LogKey } from "../readmodel/log-keys.ts";
import type { ReadModel } from "../readmodel/read-model.ts";
import type { EngineSession } from "./engine-session.ts";
import { addLogKey, ensureLogKeyFile, logKeysIn, removeLogKey } from "./log-key-file.ts";
import { Failure } from "./output.ts";
import { pushConfig } from "./push-config.ts";

/** What the steps of a rotation work on. */
export interface LogKeyContext {
  readonly session: EngineSession;
  readonly model: ReadModel;
  /** Where the keys are kept. */
  readonly file: string;
  /** Who says so; stands in the entries. */
  readonly by: string;
}

/** A key as `tarmac log-key list` shows it. */
export interface ListedKey {
  readonly id: string;
  /** Base64. */
  readonly public_key: string;
  /** Whether it is in the file, and so signs. */
  readonly in_file: boolean;
  /** Workspaces whose ledger names it, by what it says. */
  readonly active_in: readonly string[];
  readonly retired_in: readonly string[];
}

/** Which workspaces were told of a key, and which knew already. */
export interface Announced {
  readonly key: string;
  readonly told: readonly string[];
  readonly knew: readonly string[];
}

/** More than two would mean that a rotation before this one was not finished. */
const SIGNERS_MAX = 2;

/**
 * Makes a new key that signs from now on, the first one where there is none, and writes all keys of the
 * file into every workspace that does not name them yet.
 * @throws Failure when two keys sign already, or an engine does not take the entries.
 */
export async function rotateLogKey(context: LogKeyContext): Promise<Announced> {
  const { file } = context;
  const before = await logKeysIn(file);
  if (before === undefined) await ensureLogKeyFile(file);
  else if (before.length < SIGNERS_MAX) await addLogKey(file);
  const keys = (await logKeysIn(file)) ?? [];
  const [newest] = keys;
  if (newest === undefined) throw new Failure(`${file} holds no key.`);
  const announced = await announce(context, newest.id, keys, "active");
  // Two keys are there because an earlier run was cut short, and then some workspace was not told.
  if (before !== undefined && before.length >= SIGNERS_MAX && announced.told.length === 0) {
    const oldest = keys.at(-1)?.id ?? "";
    throw new Failure(
      `${keys.length} keys sign already, and every workspace knows them. Retire the old one first: npx tarmac log-key retire ${oldest}`,
    );
  }
  return announced;
}

/**
 * Ends a key: every workspace says so, then it is taken out of the file.
 * @throws Failure when no other key signs, or what the others are is not signed by it yet.
 */
export async function retireLogKey(context: LogKeyContext, id?: string): Promise<Announced> {
  const { file } = context;
  const keys = (await logKeysIn(file)) ?? [];
  const key = id === undefined ? keys.at(-1) : keys.find((known) => known.id === id);
  if (key === undefined) {
    const known = keys.map((one) => one.id).join(", ") || "none";
    throw new Failure(`${file} has no key ${id ?? ""}. It has: ${known}`, 2);
  }
  const others = keys.filter((known) => known !== key);
  if (others.length === 0) {
    throw new Failure(
      `${key.id} is the only key; without it nothing is signed. First make another: npx tarmac log-key rotate`,
    );
  }
  await requireHandedOver(context, key, others);
  const announced = await announce(context, key.id, [key], "retired");
  await removeLogKey(file, key.id);
  return announced;
}

/** Every key in the file or in a ledger, those that sign first. */
export async function listLogKeys(file: string, model: ReadModel): Promise<readonly ListedKey[]> {
  const keys = (await logKeysIn(file)) ?? [];
  const listed = new Map<string, { readonly key: string; active: string[]; retired: string[] }>();
  for (const { id, publicKey } of keys) {
    listed.set(id, { active: [], key: encodeBase64(publicKey), retired: [] });
  }
  for (const { ws } of await model.workspaces()) {
    for (const { id, publicKey, state } of await model.log.keys(ws)) {
      const known = listed.get(id) ?? { active: [], key: publicKey, retired: [] };
      listed.set(id, known);
      known[state].push(ws);
    }
  }
  return [...listed].map(([id, { key, active, retired }]) => ({
    active_in: active,
    id,
    in_file: keys.some((known) => known.id === id),
    public_key: key,
    retired_in: retired,
  }));
}

/** @throws Failure while some workspace has no checkpoint by `key` over an entry that names another. */
async function requireHandedOver(
  { model }: LogKeyContext,
  key: LogKey,
  others: readonly LogKey[],
): Promise<void> {
  const own = encodeBase64(key.publicKey);
  const waiting: string[] = [];
  for (const { ws } of await model.workspaces()) {
    const named = (await model.log.keys(ws)).filter(({ id, state }) => {
      return state === "active" && others.some((other) => other.id === id);
    });
    // Once it is retired there, the step was cut short, and its checkpoints were seen before.
    const isRetired = (await model.log.keys(ws)).some(({ id, state }) => {
      return id === key.id && state === "retired";
    });
    if (isRetired) continue;
    const signed = await model.log.latestCheckpoint(ws);
    const by = signed?.vkeys.some((vkey) => publicKeyOf(vkey) === own) === true;
    const covers = named.some(({ seq }) => seq <= (signed?.size ?? 0n));
    if (!by || !covers) waiting.push(ws);
  }
  if (waiting.length === 0) return;
  throw new Failure(
    `Not retired: ${waiting.join(", ")} has no checkpoint yet that ${key.id} has signed over the entry that names the next key. Has it been rotated? Then try again in a minute; if it stays, see: npx tarmac status`,
  );
}

/** The public key in a vkey, base64: behind the type byte. */
function publicKeyOf(vkey: string): string {
  const encoded = vkey.split("+").slice(2).join("+");
  return Buffer.from(encoded, "base64").subarray(1).toString("base64");
}

async function announce(
  { session, model, by }: LogKeyContext,
  key: string,
  keys: readonly LogKey[],
  state: "active" | "retired",
): Promise<Announced> {
  const told: string[] = [];
  const knew: string[] = [];
  const failed: string[] = [];
  for (const { ws } of await model.workspaces()) {
    const known = await model.log.keys(ws);
    const missing = keys.filter(({ id }) => {
      return !known.some((row) => row.id === id && row.state === state);
    });
    if (missing.length === 0) {
      knew.push(ws);
      continue;
    }
    const changes = missing.map((one) => changeOf(one, state));
    const answer = await pushConfig(session, { by, changes, ws });
    if (answer.kind === "refused") failed.push(`${ws}: ${answer.message}`);
    else told.push(ws);
  }
  if (failed.length === 0) return { key, knew, told };
  throw new Failure(
    `Key ${key} is not ${state} in every workspace:\n${failed.join("\n")}\nRun the same command again.`,
  );
}

function changeOf({ id, publicKey }: LogKey, state: "active" | "retired"): ConfigChange {
  return { id, item: "log_key", value: { public_key: encodeBase64(publicKey), state } };
}
