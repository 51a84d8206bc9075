/**
 * Simulated Anthropic and OpenAI on one port, in the vendors' own wire formats:
 *
 *   /anthropic/v1/…   and  /v1/messages…                                   Anthropic
 *   /openai[/v1]/…    and  [/v1]/chat/completions, [/v1]/embeddings         OpenAI
 *   [/v1]/models      Anthropic with an `anthropic-version` header, else OpenAI
 *   /v1/anthropic/…, /v1/openai/…   as behind a gateway's base URLs
 *   /__control        behaviour, holds, status          /__served   what was served
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { AnthropicApi } from "./anthropic/routes.ts";
import type { BehaviorPatch } from "./behavior.ts";
import { Catalog } from "./catalog.ts";
import { Clock } from "./clock.ts";
import { Control } from "./control.ts";
import { controlRequest, servedRequest } from "./control-http.ts";
import { Exchange, type Services } from "./exchange.ts";
import { idMaker } from "./ids.ts";
import { OpenaiApi } from "./openai/routes.ts";
import type { Parts } from "./parts.ts";
import { PromptCache } from "./prompt-cache.ts";
import { Prose } from "./prose.ts";
import { type Provider, Served } from "./served.ts";

/** How to start; everything has a default that suits a test or a bench. */
export interface ProviderOptions {
  /** 0, the default, takes a free one. */
  readonly port?: number;
  /** 127.0.0.1 by default. */
  readonly host?: string;
  /** The same seed and the same request give the same answer. */
  readonly seed?: number;
  /** Knobs for every request; see behavior.ts. Without any, answers come at once. */
  readonly behavior?: BehaviorPatch;
  /** Keys that are accepted. Left out: any but a gateway's own. */
  readonly keys?: readonly string[];
  /** Models to serve besides those of the published price data. */
  readonly models?: { readonly anthropic?: readonly string[]; readonly openai?: readonly string[] };
  /** Served records to keep in memory; left out: all. Counters always cover all. */
  readonly keepRecords?: number;
  /** Milliseconds since 1970, by which prompt caches age. */
  readonly now?: () => number;
}

/** Running providers. */
export interface Providers {
  /** `http://host:port`. */
  readonly url: string;
  /** For an SDK's `baseURL`, or for a gateway to forward to; paths start at `/v1`. */
  readonly anthropicBaseUrl: string;
  /** The same for OpenAI; ends with `/v1`, as the vendor's does. */
  readonly openaiBaseUrl: string;
  readonly port: number;
  readonly served: Served;
  readonly control: Control;
  /** Ends every connection and resolves when the port is free and every request has its record. */
  readonly stop: () => Promise<void>;
}

/** Pending connections the kernel may queue: a thousand clients can arrive at once. */
const BACKLOG = 4_096;

/** Idle connections stay longer than any client pool keeps them, so that a client closes first. */
const KEEP_ALIVE_MS = 120_000;

/** Starts both providers. @throws Error when the port is taken. */
export async function startProviders(options: ProviderOptions = {}): Promise<Providers> {
  const seed = options.seed ?? 1;
  const served = new Served(options.keepRecords);
  const control = new Control(options.behavior);
  const clock = new Clock(seed);
  const route = router({ served, control, clock }, options, seed);
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 0 }, route);
  const host = options.host ?? "127.0.0.1";
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port: options.port ?? 0, host, backlog: BACKLOG }, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const url = `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
  return {
    url,
    anthropicBaseUrl: `${url}/anthropic`,
    openaiBaseUrl: `${url}/openai/v1`,
    port,
    served,
    control,
    stop: async () => {
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      server.closeAllConnections();
      clock.stop();
      control.release();
      await closed;
      await served.idle();
    },
  };
}

type Route = (req: IncomingMessage, res: ServerResponse) => void;

function router(services: Services, options: ProviderOptions, seed: number): Route {
  const ids = idMaker();
  const shared = {
    ...services,
    cache: new PromptCache(options.now),
    prose: new Prose(seed),
    ids,
    seed,
    keys: options.keys,
  };
  const partsFor = (provider: Provider): Parts => ({
    ...shared,
    catalog: new Catalog(provider, options.models?.[provider] ?? []),
  });
  const anthropic = new AnthropicApi(partsFor("anthropic"));
  const openai = new OpenaiApi(partsFor("openai"));

  return (req, res) => {
    const [path = "/"] = (req.url ?? "/").split("?", 1);
    if (path === "/__control") return void controlRequest(services, req, res);
    if (path === "/__served") return servedRequest(services.served, req, res);
    const target = targetOf(path, req);
    const id = target.provider === "anthropic" ? ids("req_011C", 20) : ids("req_", 32);
    const exchange = new Exchange(services, req, res, {
      ...target,
      route: routeOf(target.path),
      id,
    });
    const api = target.provider === "anthropic" ? anthropic : openai;
    api.handle(exchange, target.path).catch((error: unknown) => {
      // A mistake of the simulation itself must not look like a vendor's answer.
      process.stderr.write(
        `simulated provider: ${String(error instanceof Error ? error.stack : error)}\n`,
      );
      exchange.abandon();
    });
  };
}

interface Target {
  readonly provider: Provider;
  /** From `/v1` on for Anthropic, without `/v1` for OpenAI. */
  readonly path: string;
}

function targetOf(path: string, req: IncomingMessage): Target {
  if (/^\/v1\/(anthropic|openai)\//.test(path)) return targetOf(path.slice("/v1".length), req);
  if (path.startsWith("/anthropic/"))
    return { provider: "anthropic", path: path.slice("/anthropic".length) };
  if (path.startsWith("/openai/"))
    return { provider: "openai", path: withoutV1(path.slice("/openai".length)) };
  const messages = path.startsWith("/v1/messages");
  const models = /^\/v1\/models(\/|$)/.test(path) && req.headers["anthropic-version"] !== undefined;
  if (messages || models) return { provider: "anthropic", path };
  return { provider: "openai", path: withoutV1(path) };
}

function withoutV1(path: string): string {
  return path.startsWith("/v1/") ? path.slice("/v1".length) : path;
}

function routeOf(path: string): string {
  switch (path) {
    case "/v1/messages":
      return "messages";
    case "/v1/messages/count_tokens":
      return "count_tokens";
    case "/chat/completions":
      return "chat.completions";
    case "/embeddings":
      return "embeddings";
    default:
      return /^(\/v1)?\/models(\/|$)/.test(path) ? "models" : "unknown";
  }
}
