/**
 * What this browser has seen of each workspace's log: the keys that signed it, and the newest
 * checkpoint. A server can show everybody another log, but not one that goes with what was seen before.
 */

export interface KnownLog {
  /** C2SP verifier keys that were accepted, the newest last. */
  readonly vkeys: readonly string[];
  /** The newest checkpoint, a signed note; undefined before the first. */
  readonly checkpoint: string | undefined;
  /** When it was first seen, ISO 8601. */
  readonly since: string;
}

const keyOf = (ws: string) => `tarmac.log.${ws}`;

/** What is remembered of a log; undefined for one that was never seen, or cannot be read. */
export function recall(
  ws: string,
  storage: Pick<Storage, "getItem"> = localStorage,
): KnownLog | undefined {
  const text = storage.getItem(keyOf(ws));
  if (text === null) return undefined;
  try {
    const known = JSON.parse(text) as Partial<KnownLog>;
    if (!Array.isArray(known.vkeys) || typeof known.since !== "string") return undefined;
    const vkeys = known.vkeys.filter((vkey) => typeof vkey === "string");
    const checkpoint = typeof known.checkpoint === "string" ? known.checkpoint : undefined;
    return { checkpoint, since: known.since, vkeys };
  } catch {
    return undefined;
  }
}

export function remember(
  ws: string,
  known: KnownLog,
  storage: Pick<Storage, "setItem"> = localStorage,
): void {
  storage.setItem(keyOf(ws), JSON.stringify(known));
}

export function forget(ws: string, storage: Pick<Storage, "removeItem"> = localStorage): void {
  storage.removeItem(keyOf(ws));
}
