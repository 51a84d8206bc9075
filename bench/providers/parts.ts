import type { Catalog } from "./catalog.ts";
import type { Services } from "./exchange.ts";
import type { Ids } from "./ids.ts";
import type { PromptCache } from "./prompt-cache.ts";
import type { Prose } from "./prose.ts";

/** What a simulated API is made of. */
export interface Parts extends Services {
  readonly catalog: Catalog;
  readonly cache: PromptCache;
  readonly prose: Prose;
  readonly ids: Ids;
  readonly seed: number;
  /** Keys that are accepted; `undefined`: any. */
  readonly keys: readonly string[] | undefined;
}
