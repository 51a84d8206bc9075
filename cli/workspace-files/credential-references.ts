import { type Reader, report, scalarOf } from "./fields.ts";

/** Where a credential is to be found; never the credential itself. */
export type CredentialReference =
  | { readonly from: "env"; readonly name: string }
  | { readonly from: "file"; readonly path: string }
  /** A program and its arguments, split at blanks; no shell is involved. */
  | { readonly from: "exec"; readonly command: string }
  /** The client's own vendor key is sent on. */
  | { readonly from: "passthrough" };

/** As long as an entry takes (ledger/workspace-config.ts). */
const REFERENCE_LENGTH_MAX = 300;
const NOT_IN_FORCE = ["vault", "aws-sts"];
const SCHEMES = "env:NAME, file:/PATH, exec:COMMAND or passthrough";
const REFERENCE = /^([a-z][a-z-]{1,11}):\s*(.*)$/s;

type Read =
  | { readonly ok: true; readonly value: CredentialReference }
  | { readonly ok: false; readonly problem: string };

function no(problem: string): Read {
  return { ok: false, problem };
}

function variable(name: string): Read {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    return no("env: is followed by a variable's name, like env:ANTHROPIC_API_KEY");
  }
  // The gateway's own variables hold its way into the engine; sending one on would give it away.
  if (name.startsWith("TARMAC_"))
    return no("variables named TARMAC_… are never sent to a provider");
  return { ok: true, value: { from: "env", name } };
}

/** A reference, or why it is none: a message that never repeats the text, which may be a secret. */
export function readReference(text: string): Read {
  if (text === "passthrough") return { ok: true, value: { from: "passthrough" } };
  const [, scheme = "", rest = ""] = REFERENCE.exec(text) ?? [];
  if (text.length > REFERENCE_LENGTH_MAX) {
    return no(`must be a reference of at most ${REFERENCE_LENGTH_MAX} characters: ${SCHEMES}`);
  }
  if (NOT_IN_FORCE.includes(scheme)) {
    return no(`${scheme}: is not supported by this version; use ${SCHEMES}`);
  }
  if (scheme === "env") return variable(rest);
  if (scheme === "file") {
    // Read by the gateway, whose working directory is not the user's.
    if (/^\/[^\0\n]+$/.test(rest)) return { ok: true, value: { from: "file", path: rest } };
    return no("file: is followed by an absolute path, like file:/run/secrets/key");
  }
  if (scheme === "exec") {
    if (/^[^\0\n]+$/.test(rest)) return { ok: true, value: { from: "exec", command: rest } };
    return no("exec: is followed by a program that prints the credential, and its arguments");
  }
  return no(`must be a reference to a credential, never the credential itself: ${SCHEMES}`);
}

/** A credential reference of a provider. */
export const credentialReference: Reader<CredentialReference> = (field) => {
  const node = scalarOf(field, `a reference: ${SCHEMES}`);
  if (node === undefined) return undefined;
  const read = readReference(node.text);
  return read.ok ? read.value : report(field, read.problem);
};
