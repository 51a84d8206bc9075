import type { ConfigCache } from "../bus/config-cache.ts";
import { type Lane, laneKey, type ModelPrice, modelKey } from "../ledger/price-card.ts";
import type { AgentSettings, PriceSettings, ProviderSettings } from "../ledger/workspace-config.ts";
import type { ConfigPort, KnownKey, KnownPrices } from "./ports.ts";

/** The gateway's cache of the configuration, as enforcement reads it. */
export class ConfigView implements ConfigPort {
  readonly #cache: ConfigCache;
  /** Indexes by the settings they were built from: a new price entry is a new object. */
  readonly #prices = new WeakMap<PriceSettings, KnownPrices>();

  constructor(cache: ConfigCache) {
    this.#cache = cache;
  }

  ready(): boolean {
    return this.#cache.isReady();
  }

  keyByHash(hash: string): KnownKey | undefined {
    const item = this.#cache.key(hash);
    if (item === undefined) return undefined;
    return { ws: item.ws, id: item.key, agent: item.agent, revoked: item.revoked };
  }

  agent(ws: string, name: string): AgentSettings | undefined {
    return this.#cache.agent(ws, name)?.settings;
  }

  workspaces(): readonly string[] {
    return [...this.#cache.workspaces().keys()];
  }

  provider(ws: string, name: string): ProviderSettings | undefined {
    return this.#cache.provider(ws, name)?.settings;
  }

  prices(ws: string): KnownPrices | undefined {
    const settings = this.#cache.workspace(ws)?.price;
    if (settings === undefined) return undefined;
    const known = this.#prices.get(settings) ?? indexPrices(settings);
    this.#prices.set(settings, known);
    return known;
  }

  expiryMs(ws: string): number | undefined {
    return this.#cache.workspace(ws)?.settings.expiry_ms;
  }

  seq(ws: string): bigint {
    return this.#cache.configSeq(ws);
  }

  whenAtLeast(ws: string, seq: bigint, timeoutMs: number): Promise<boolean> {
    return this.#cache.whenAtLeast(ws, seq, timeoutMs);
  }
}

/** Finds lanes and model prices by their keys. */
export function indexPrices(settings: PriceSettings): KnownPrices {
  const lanes = new Map<string, Lane>(settings.lanes.map((lane) => [laneKey(lane), lane]));
  const models = new Map<string, ModelPrice>(
    settings.models.map((model) => [modelKey(model.provider, model.model), model]),
  );
  return {
    lane: (key) => lanes.get(key),
    model: (provider, model) => models.get(modelKey(provider, model)),
  };
}
