import { type CredentialReference, credentialReference } from "./credential-references.ts";
import { didYouMean } from "./did-you-mean.ts";
import {
  documentOf,
  fieldsOf,
  mapOf,
  notice,
  type Reader,
  type Reading,
  report,
  scalarOf,
} from "./fields.ts";
import { type Place, placeOf } from "./source-file.ts";

/** Where calls of a provider go and with which credential. */
export interface ProviderSettings {
  readonly provider: string;
  readonly base_url?: string;
  readonly credential?: CredentialReference;
  readonly place: Place;
}

/** As long as an entry takes (ledger/workspace-config.ts). */
const ADDRESS_LENGTH_MAX = 500;
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** An address to forward to. Its parts that often carry secrets are refused, and never repeated. */
const baseUrl: Reader<string> = (field) => {
  const node = scalarOf(field, "an address like https://api.anthropic.com");
  if (node === undefined) return undefined;
  const url = URL.canParse(node.text) ? new URL(node.text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    return report(field, "must be an http or https address like https://api.anthropic.com");
  }
  if (url.username !== "" || url.password !== "") {
    return report(field, "must not carry a user or password: use credential: env:NAME");
  }
  if (url.search !== "" || url.hash !== "") {
    return report(field, "must end with its path: no ? and no #");
  }
  if (url.protocol === "http:" && !LOOPBACK.test(url.hostname)) {
    notice(field, `${url.hostname} is reached over http: credentials and prompts go unencrypted`);
  }
  const address = node.text.replace(/\/+$/, "");
  if (address.length > ADDRESS_LENGTH_MAX) {
    return report(field, `must be at most ${ADDRESS_LENGTH_MAX} characters`);
  }
  return address;
};

const SECRET_HINT = "no secret stands in a file: use credential: env:NAME or file:/PATH";

const provider: Reader<Omit<ProviderSettings, "place" | "provider">> = (field) => {
  const read = fieldsOf(
    field,
    { base_url: baseUrl, credential: credentialReference },
    {
      what: "a provider",
      hints: {
        api_key: SECRET_HINT,
        key: SECRET_HINT,
        password: SECRET_HINT,
        secret: SECRET_HINT,
        token: SECRET_HINT,
      },
    },
  );
  if (read === undefined) return undefined;
  if (field.node.kind === "map" && field.node.pairs.length === 0) {
    return report(field, "needs a base_url or a credential");
  }
  const { base_url, credential } = read;
  return {
    ...(base_url === undefined ? {} : { base_url }),
    ...(credential === undefined ? {} : { credential }),
  };
};

const providers = mapOf(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "providers", provider);

/**
 * Reads `providers.yaml`. `known` are the providers of the lanes in force, absent while a lane with a
 * mistake could add one.
 */
export function readProvidersFile(
  reading: Reading,
  known: ReadonlySet<string> | undefined,
): readonly ProviderSettings[] | undefined {
  const file = fieldsOf(
    documentOf(reading),
    { providers },
    { what: "providers.yaml", required: ["providers"] },
  );
  if (file?.providers === undefined) return undefined;
  const out: ProviderSettings[] = [];
  for (const [name, { value, field }] of file.providers) {
    if (known !== undefined && !known.has(name)) {
      const hint = didYouMean(name, known) || `; there are ${[...known].sort().join(", ")}`;
      report(field, `no lane has this provider${hint}`);
    }
    if (value !== undefined) {
      out.push({ provider: name, ...value, place: placeOf(reading.source, field.node.start) });
    }
  }
  return out;
}
