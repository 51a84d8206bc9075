import type { Caller } from "./authenticate.ts";
import type { CredentialBroker } from "./credentials/broker.ts";
import { CredentialFault } from "./credentials/sources.ts";
import type { ConfigPort } from "./ports.ts";
import { type Problem, refused } from "./refusal.ts";
import type { Surface } from "./surface.ts";

/** Where one call goes and how it is let in there. */
export interface Target {
  /** Base URL without a slash at its end. */
  readonly baseUrl: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The credential is the caller's own. */
  readonly passthrough: boolean;
  /** To be forgotten when the provider does not accept it. */
  readonly credential: string;
}

/** Where the vendors themselves are reached, and the variable that usually holds their key. */
const VENDORS: Readonly<Record<string, { readonly baseUrl: string; readonly credential: string }>> =
  {
    anthropic: { baseUrl: "https://api.anthropic.com", credential: "env:ANTHROPIC_API_KEY" },
    openai: { baseUrl: "https://api.openai.com/v1", credential: "env:OPENAI_API_KEY" },
  };

/** Finds providers: what the workspace says, else what the process was started with, else the vendor. */
export class ProviderTargets {
  readonly #config: ConfigPort;
  readonly #broker: CredentialBroker;
  readonly #baseUrls: ReadonlyMap<string, string>;

  /** @param baseUrls by provider name, from `TARMAC_PROVIDER_<NAME>_BASE_URL` */
  constructor(config: ConfigPort, broker: CredentialBroker, baseUrls: ReadonlyMap<string, string>) {
    this.#config = config;
    this.#broker = broker;
    this.#baseUrls = baseUrls;
  }

  async find(provider: string, caller: Caller, surface: Surface): Promise<Problem | Target> {
    const settings = this.#config.provider(caller.ws, provider);
    const vendor = VENDORS[provider];
    const baseUrl = settings?.base_url ?? this.#baseUrls.get(provider) ?? vendor?.baseUrl;
    const credential = settings?.credential ?? vendor?.credential;
    const refuse = (why: string) =>
      refused("fail-closed", `Provider ${provider}: ${why}. Nothing was forwarded.`);
    if (baseUrl === undefined) return refuse("no base URL is set in providers.yaml");
    if (credential === undefined) return refuse("no credential is set in providers.yaml");
    try {
      const found = await this.#broker.get(credential);
      if (found !== "passthrough") {
        const headers = surface.credentialHeaders(found.secret);
        return { baseUrl: trim(baseUrl), headers, credential, passthrough: false };
      }
    } catch (cause) {
      if (cause instanceof CredentialFault) return refuse(cause.message);
      throw cause;
    }
    if (caller.vendor !== undefined) {
      return { baseUrl: trim(baseUrl), headers: caller.vendor, credential, passthrough: true };
    }
    const how = "send the vendor's key in its usual field and the Tarmac key in x-tarmac-key";
    return refused("unauthenticated", `Provider ${provider} takes the caller's own key: ${how}.`);
  }

  /** The provider did not accept a credential: it may have been rotated. */
  forget(target: Target): void {
    this.#broker.forget(target.credential);
  }
}

function trim(url: string): string {
  return url.replace(/\/+$/, "");
}
