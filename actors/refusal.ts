import type { RefusalCode } from "../ledger/refusals.ts";
import type { RefusedAnswer } from "./commands.ts";

/** A "no" without an entry of its own. */
export function refusal(
  code: RefusalCode,
  message: string,
  extra: {
    readonly authorization?: string;
    readonly problems?: readonly string[];
    readonly seq?: bigint;
  } = {},
): RefusedAnswer {
  return { code, kind: "refused", message, ...extra };
}
