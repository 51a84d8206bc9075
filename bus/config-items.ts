/**
 * What gateways read of the configuration: the bucket `tarmac-config`, one JSON value a key, written by
 * a shard's owner once the `configure` entry behind it is in the journal. It can be lost: owners write
 * it again. Nobody is authorized by it, since the actor checks key, agent and lane itself.
 *
 *   ws.<ws>              zone, caps, prices of the lanes, which policy is in force
 *   agent.<ws>.<agent>   one agent's settings
 *   provider.<ws>.<id>   where a provider is reached, with a credential's reference
 *   key.<sha256 hex>     which workspace and agent a key speaks for
 */
import type { WorkspaceState } from "../actors/state.ts";
import {
  bool,
  decimal,
  type Infer,
  list,
  object,
  type Parsed,
  parseJson,
  text,
} from "../ledger/schema.ts";
import {
  agentSettings,
  keyId,
  name,
  policySettings,
  priceSettings,
  providerSettings,
  workspaceSettings,
} from "../ledger/workspace-config.ts";

/** The commit at which the item last changed. */
const config_seq = decimal(1n);

const workspaceItem = object(
  {
    config_seq,
    /** Names of the groups that agents' files may refer to. */
    cost_centers: list(name),
    policy: policySettings,
    policy_seq: decimal(0n),
    settings: workspaceSettings,
    teams: list(name),
  },
  { price: priceSettings },
);
export type WorkspaceItem = Infer<typeof workspaceItem>;
const agentItem = object({ config_seq, settings: agentSettings });
export type AgentItem = Infer<typeof agentItem>;
const providerItem = object({ config_seq, settings: providerSettings });
export type ProviderItem = Infer<typeof providerItem>;
const keyItem = object(
  { config_seq, created_at: text(30), key: keyId, revoked: bool, ws: name },
  { agent: name, title: text(200) },
);
export type KeyItem = Infer<typeof keyItem>;

/** A key of the bucket, taken apart, with its value. */
export type ConfigItem =
  | { readonly kind: "ws"; readonly ws: string; readonly value: WorkspaceItem }
  | { readonly kind: "agent"; readonly ws: string; readonly id: string; readonly value: AgentItem }
  | {
      readonly kind: "provider";
      readonly ws: string;
      readonly id: string;
      readonly value: ProviderItem;
    }
  | { readonly kind: "key"; readonly hash: string; readonly value: KeyItem };

/** A key of the bucket, without its value. */
export type ConfigKey =
  | { readonly kind: "ws"; readonly ws: string }
  | { readonly kind: "agent" | "provider"; readonly ws: string; readonly id: string }
  | { readonly kind: "key"; readonly hash: string };

/** Takes a key of the bucket apart; `undefined` for one that Tarmac does not write. */
export function parseConfigKey(key: string): ConfigKey | undefined {
  const [kind, first, second, ...rest] = key.split(".");
  if (first === undefined || rest.length > 0) return undefined;
  if (kind === "ws" && second === undefined) return { kind, ws: first };
  if (kind === "key" && second === undefined) return { kind, hash: first };
  if ((kind === "agent" || kind === "provider") && second !== undefined) {
    return { kind, ws: first, id: second };
  }
  return undefined;
}

/** The key under which an item stands. */
export function configKey(key: ConfigKey): string {
  switch (key.kind) {
    case "ws":
      return `ws.${key.ws}`;
    case "key":
      return `key.${key.hash}`;
    case "agent":
    case "provider":
      return `${key.kind}.${key.ws}.${key.id}`;
  }
}

/** Writes an item's value. */
export function encodeConfigItem(item: ConfigItem): string {
  switch (item.kind) {
    case "ws":
      return workspaceItem.write(item.value);
    case "agent":
      return agentItem.write(item.value);
    case "provider":
      return providerItem.write(item.value);
    case "key":
      return keyItem.write(item.value);
  }
}

/** Reads an item; every mistake, when it is not one. */
export function decodeConfigItem(key: string, json: string): Parsed<ConfigItem> {
  const place = parseConfigKey(key);
  if (place === undefined) return { ok: false, problems: [`${key}: is not a key Tarmac writes`] };
  const read = <T>(parsed: Parsed<T>, build: (value: T) => ConfigItem): Parsed<ConfigItem> =>
    parsed.ok ? { ok: true, value: build(parsed.value) } : parsed;
  switch (place.kind) {
    case "ws":
      return read(parseJson(workspaceItem, json), (value) => ({ kind: "ws", ws: place.ws, value }));
    case "agent":
      return read(parseJson(agentItem, json), (value) => ({ ...place, kind: "agent", value }));
    case "provider":
      return read(parseJson(providerItem, json), (value) => ({
        ...place,
        kind: "provider",
        value,
      }));
    case "key":
      return read(parseJson(keyItem, json), (value) => ({ kind: "key", hash: place.hash, value }));
  }
}

/** The workspace an item belongs to. */
export function workspaceOf(item: ConfigItem): string {
  return item.kind === "key" ? item.value.ws : item.ws;
}

/** Everything the bucket must hold of a workspace, stamped with its last commit; its own item last. */
export function configItemsOf(state: WorkspaceState): ConfigItem[] {
  const { ws, config, configSeq } = state;
  const items: ConfigItem[] = [];
  for (const [id, settings] of config.agents) {
    items.push({ kind: "agent", ws, id, value: { config_seq: configSeq, settings } });
  }
  for (const [id, settings] of config.providers) {
    items.push({ kind: "provider", ws, id, value: { config_seq: configSeq, settings } });
  }
  for (const [key, settings] of config.keys) {
    const { hash, ...known } = settings;
    const value = { config_seq: configSeq, key, ws, ...known };
    items.push({ kind: "key", hash, value });
  }
  if (config.settings !== undefined) {
    const price = state.prices.get(state.priceSeq)?.settings;
    const value = {
      config_seq: configSeq,
      cost_centers: [...config.costCenters.keys()].sort(),
      policy: state.policy,
      policy_seq: state.policySeq,
      settings: config.settings,
      teams: [...config.teams.keys()].sort(),
      ...(price === undefined ? {} : { price }),
    };
    items.push({ kind: "ws", ws, value });
  }
  return items;
}
