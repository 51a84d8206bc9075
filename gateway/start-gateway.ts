import { join } from "node:path";
import type { GatewayConfig } from "./config.ts";
import { CredentialBroker } from "./credentials/broker.ts";
import { Enforcement } from "./enforce.ts";
import { UndiciForward } from "./forward.ts";
import { InFlight } from "./in-flight.ts";
import { GatewayMetrics } from "./metrics.ts";
import { Outbox } from "./outbox.ts";
import { OutboxFile } from "./outbox-storage.ts";
import type { ConfigPort, EnginePort, Log } from "./ports.ts";
import { ProviderTargets } from "./provider-target.ts";
import { BodyBudget } from "./read-body.ts";
import { Readiness } from "./readiness.ts";
import { DRAIN_LIMITS } from "./relay.ts";
import { RequestReader } from "./request-reader.ts";
import { buildServer, type GatewayServices } from "./server.ts";
import { Settlement } from "./settlement.ts";
import { systemClock } from "./system-clock.ts";

/** How long streams may run on once the process is asked to end, in ms; then they settle as they are. */
const STOP_MS = 12_000;
/** How long the outbox may drain after the last call, in ms; what is left stays in its file. */
const STOP_OUTBOX_MS = 2_000;

/** A gateway that serves. */
export interface RunningGateway {
  readonly url: string;
  readonly port: number;
  /** Finishes what is under way within bounds, settles it, and closes. */
  stop(): Promise<void>;
}

/** Starts a gateway around an engine and a configuration. */
export async function startGateway(
  config: GatewayConfig,
  engine: EnginePort,
  view: ConfigPort,
  log: Log,
): Promise<RunningGateway> {
  const clock = systemClock;
  const metrics = new GatewayMetrics();
  const outbox = await openOutbox(config, log, metrics);
  const inFlight = new InFlight(engine, clock, log, (ws) => view.expiryMs(ws));
  const settlement = new Settlement(engine, outbox, inFlight, log);
  for (const { ws, authorization } of outbox.owedSettles()) inFlight.begin(ws, authorization, 0);
  outbox.start(settlement.deliver, (ws, authorization) => inFlight.end(ws, authorization));
  const { allowExecCredentials: allowExec, environment } = config;
  const broker = new CredentialBroker({ environment, allowExec }, clock);
  const targets = new ProviderTargets(view, broker, config.providerBaseUrls);
  const providers = new UndiciForward();
  const reader = new RequestReader();
  const shared = { engine, config: view, clock, providers, targets, settlement, log };
  const enforcement = new Enforcement({
    ...shared,
    outbox,
    inFlight,
    telemetry: metrics,
    drainLimits: DRAIN_LIMITS,
    decisionMs: config.decisionMs,
    countTokens: (body, encodings) => reader.count(body, encodings),
  });
  const running = new Set<Promise<void>>();
  const state = { stopping: false };
  metrics.watch({
    inFlight: () => inFlight.count,
    owed: () => outbox.owedCount,
    running: () => running.size,
  });
  const services: GatewayServices = {
    ...shared,
    enforcement,
    reader,
    budget: new BodyBudget(),
    telemetry: metrics,
    stopping: () => state.stopping,
    running,
  };
  const app = buildServer(services, metrics, new Readiness(view, engine, clock));
  await app.listen({ host: config.bind, port: config.port });
  const address = app.server.address();
  const port = typeof address === "object" && address !== null ? address.port : config.port;
  const host = config.bind.includes(":") ? `[${config.bind}]` : config.bind;
  const stop = async () => {
    state.stopping = true;
    const closed = app.close();
    await untilDone(running, STOP_MS);
    // What still runs is broken off: each call settles what it knows.
    await providers.stop();
    await untilDone(running, STOP_OUTBOX_MS);
    if (!(await outbox.drained(STOP_OUTBOX_MS))) {
      log.warn({ owed: outbox.owedCount }, "the outbox keeps what is owed");
    }
    inFlight.stop();
    await reader.stop();
    app.server.closeAllConnections();
    await closed;
    await outbox.close();
  };
  return { url: `http://${host}:${port}`, port, stop };
}

/** Opens the outbox of this port and says what a process before left in it. */
async function openOutbox(config: GatewayConfig, log: Log, metrics: GatewayMetrics) {
  const storage = await OutboxFile.open(join(config.home, "outbox", `gateway-${config.port}.log`));
  const { outbox, recovered } = await Outbox.open(storage, systemClock, log);
  const { damaged, inFlight, owed } = recovered;
  if (inFlight + owed + damaged > 0) {
    log.warn({ in_flight: inFlight, owed, damaged }, "the outbox takes over from a process before");
  }
  if (damaged > 0) metrics.alarm("outbox-damaged");
  return outbox;
}

/** Waits for every call that is under way, at most so long. */
async function untilDone(running: ReadonlySet<Promise<void>>, withinMs: number): Promise<void> {
  const timeout = Promise.withResolvers<void>();
  const timer = setTimeout(timeout.resolve, withinMs);
  const all = async () => {
    while (running.size > 0) await Promise.allSettled(running);
  };
  await Promise.race([all(), timeout.promise]);
  clearTimeout(timer);
}
