import type { Clock } from "../ports.ts";
import { type CredentialReference, parseReference } from "./reference.ts";
import { CredentialFault, fromEnv, fromFile, fromProgram } from "./sources.ts";

/** How long a secret is used before it is read again, in ms. */
const KEPT_MS = 60_000;

/** What the broker may do; read from the process's configuration. */
export interface BrokerOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `exec:` runs programs that a workspace's configuration names, so it is off unless asked for. */
  readonly allowExec: boolean;
}

/** A secret, or the word that the client's own is to be used. */
export type Credential = { readonly secret: string } | "passthrough";

/** Turns references into secrets, keeps them for a minute, and never writes them anywhere. */
export class CredentialBroker {
  readonly #options: BrokerOptions;
  readonly #clock: Clock;
  /** By reference; the promise is shared by calls that ask at the same time. */
  readonly #kept = new Map<string, { readonly secret: Promise<string>; readonly at: number }>();

  constructor(options: BrokerOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  /** @throws CredentialFault with a sentence for the operator. */
  async get(text: string): Promise<Credential> {
    const reference = parseReference(text);
    if (typeof reference === "string") throw new CredentialFault(reference);
    if (reference.kind === "passthrough") return "passthrough";
    const now = this.#clock.monotonicMs();
    const kept = this.#kept.get(text);
    if (kept !== undefined && now - kept.at < KEPT_MS) return { secret: await kept.secret };
    const secret = this.#read(reference);
    this.#kept.set(text, { secret, at: now });
    try {
      return { secret: await secret };
    } catch (cause) {
      this.#kept.delete(text);
      throw cause;
    }
  }

  /** Forgets a secret that a provider has refused: the next call reads it again. */
  forget(text: string): void {
    this.#kept.delete(text);
  }

  async #read(reference: Exclude<CredentialReference, { kind: "passthrough" }>): Promise<string> {
    switch (reference.kind) {
      case "env":
        return fromEnv(reference.name, this.#options.environment);
      case "file":
        return fromFile(reference.path);
      case "exec":
        if (!this.#options.allowExec) {
          const how = "start the gateway with TARMAC_ALLOW_EXEC_CREDENTIALS=1";
          throw new CredentialFault(`exec: credentials are off here; to allow them, ${how}`);
        }
        return fromProgram(reference.command);
    }
  }
}
