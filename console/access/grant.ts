import { z } from "zod";
import { NAME_PATTERN } from "../../ledger/ids.ts";
import type { Role } from "../wire.ts";

export const ROLES = ["viewer", "operator", "finance", "admin"] as const satisfies readonly Role[];

/** Who somebody is in the console and what they may see. */
export const grantSchema = z.strictObject({
  name: z.string().min(1).max(100),
  role: z.enum(ROLES),
  /** Left out: every workspace. */
  workspaces: z.array(z.string().regex(NAME_PATTERN)).min(1).max(1_000).optional(),
});
export type Grant = z.infer<typeof grantSchema>;

/** Whether a grant covers a workspace. */
export function maySee(grant: Grant, ws: string): boolean {
  return grant.workspaces === undefined || grant.workspaces.includes(ws);
}
