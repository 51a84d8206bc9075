/** Where a credential is kept. The reference stands in files and entries, the secret never does. */
export type CredentialReference =
  | { readonly kind: "env"; readonly name: string }
  | { readonly kind: "exec"; readonly command: readonly string[] }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "passthrough" };

/**
 * Reads `env:NAME`, `file:/path`, `exec:/program argument …` or `passthrough`; a sentence when it
 * is none.
 */
export function parseReference(text: string): CredentialReference | string {
  if (text === "passthrough") return { kind: "passthrough" };
  const colon = text.indexOf(":");
  const kind = text.slice(0, Math.max(colon, 0));
  const rest = text.slice(colon + 1).trim();
  if (rest === "") return `credential "${kind}:" names nothing`;
  switch (kind) {
    case "env":
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(rest)) return `env:${rest} is not a variable's name`;
      // The gateway's own variables hold its way into NATS, not a provider's key.
      if (rest.startsWith("TARMAC_"))
        return `env:${rest} is the gateway's own and is never sent on`;
      return { kind, name: rest };
    case "file":
      return { kind, path: rest };
    case "exec":
      return { kind, command: rest.split(/\s+/) };
    case "vault":
    case "aws-sts":
      return `${kind}: credentials are not in this version; use env:, file: or passthrough`;
    default:
      return "a credential is env:NAME, file:/path, exec:/program or passthrough";
  }
}
