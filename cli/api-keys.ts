import { createHash, randomBytes } from "node:crypto";
import type { ConfigChange } from "../ledger/workspace-config.ts";

/** A new key for agents: shown once, stored only as its hash. */
export interface NewKey {
  /** `key_…`: what entries and lists name. */
  readonly id: string;
  /** `tarmac_pk_…`: what a client sends. */
  readonly secret: string;
  readonly change: ConfigChange;
}

/** Makes a key with 256 random bits. */
export function newKey(options: { readonly agent?: string; readonly title?: string }): NewKey {
  const id = `key_${randomBytes(8).toString("hex")}`;
  const secret = `tarmac_pk_${randomBytes(32).toString("base64url")}`;
  const value = {
    created_at: new Date().toISOString(),
    hash: hashKey(secret),
    revoked: false,
    ...(options.agent === undefined ? {} : { agent: options.agent }),
    ...(options.title === undefined ? {} : { title: options.title }),
  };
  return { id, secret, change: { id, item: "key", value } };
}

/** SHA-256 of the whole key, hex: how a gateway finds it. */
export function hashKey(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}
