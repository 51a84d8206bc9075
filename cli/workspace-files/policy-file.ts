import type { PolicyRule } from "../../ledger/policy.ts";
import { documentOf, fieldsOf, type Reading } from "./fields.ts";
import { workspaceRules } from "./read-rules.ts";

/** Reads `policy.yaml`: the rules that hold for every agent. `undefined` after a mistake. */
export function readPolicyFile(reading: Reading): readonly PolicyRule[] | undefined {
  const file = fieldsOf(
    documentOf(reading),
    { rules: workspaceRules },
    {
      what: "a policy",
      required: ["rules"],
      hints: {
        rebalancing: "the rebalancing table stands in workspace.yaml",
        workspace: "policy.yaml belongs to the workspace.yaml beside it: remove this",
      },
    },
  );
  return file?.rules;
}
