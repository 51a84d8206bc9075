/**
 * What the gateway adds to a call, durable hold and settle included: the same open loop of calls once
 * to the provider directly and once through the gateway, in one run.
 */
import { Agent, request } from "undici";
import { startBenchCluster } from "./cluster/cluster.ts";
import { startProvidersProcess } from "./cluster/providers.ts";
import { benchWorkspace, CLAUDE, GPT } from "./cluster/workspaces.ts";
import { type BenchOptions, type BenchRun, note, versionsOf } from "./measure/bench-run.ts";
import { difference, type Latencies, latencies } from "./measure/latencies.ts";
import { openLoop } from "./measure/open-loop.ts";
import { reportHead } from "./measure/report.ts";

const RATES = [100, 200];
const ADDED_P50_MS_MAX = 5;
const ADDED_P99_MS_MAX = 20;
const WARM_UP_MS = 4_000;
const SURFACES = ["anthropic", "openai"] as const;
type Surface = (typeof SURFACES)[number];

interface Target {
  readonly name: string;
  readonly urls: Readonly<Record<Surface, string>>;
  readonly keys: Readonly<Record<Surface, string>>;
}

interface Timings {
  readonly whole: Latencies;
  readonly firstByte: Latencies;
}

export async function overhead(options: BenchOptions): Promise<BenchRun> {
  const cluster = await startBenchCluster();
  const providers = await startProvidersProcess(cluster.servers.dir);
  const agent = new Agent({ connections: 128, pipelining: 1 });
  try {
    const claude = benchWorkspace("bench-claude", { lane: CLAUDE });
    const gpt = benchWorkspace("bench-gpt", { lane: GPT });
    await cluster.configure(claude);
    await cluster.configure(gpt);
    const gateway = await cluster.startGateway(providers);
    const direct: Target = {
      keys: { anthropic: "direct", openai: "direct" },
      name: "direct",
      urls: { anthropic: providers.anthropicBaseUrl, openai: providers.openaiBaseUrl },
    };
    const keys = { anthropic: claude.secret, openai: gpt.secret };
    const ours: Target = {
      keys,
      name: "tarmac",
      urls: { anthropic: `${gateway.url}/v1/anthropic`, openai: `${gateway.url}/v1/openai` },
    };
    const others = options.targets.map(
      ({ name, url }): Target => ({
        keys,
        name,
        urls: { anthropic: url, openai: url },
      }),
    );
    const rows = await measure(agent, { direct, others: [ours, ...others] }, options.seconds);
    const pass = rows
      .filter(({ target }) => target === ours.name)
      .every(
        ({ added_ms: added }) => added.p50 <= ADDED_P50_MS_MAX && added.p99 <= ADDED_P99_MS_MAX,
      );
    return { ...reportHead("overhead", await versionsOf(cluster)), pass, rows };
  } finally {
    await agent.close();
    await providers.stop();
    await cluster.stop();
  }
}

interface Row {
  readonly target: string;
  readonly surface: Surface;
  readonly stream: boolean;
  readonly rate: number;
  readonly direct_ms: Latencies;
  readonly gateway_ms: Latencies;
  readonly added_ms: Latencies;
  readonly first_byte_added_ms: Latencies;
}

/** Every surface, whole and streamed, at every rate: first direct, then through each gateway. */
async function measure(
  agent: Agent,
  targets: { readonly direct: Target; readonly others: readonly Target[] },
  seconds: number,
): Promise<Row[]> {
  const rows: Row[] = [];
  const { direct, others } = targets;
  for (const surface of SURFACES) {
    for (const stream of [false, true]) {
      for (const target of [direct, ...others]) {
        await drive(agent, target, surface, stream, 50, WARM_UP_MS);
      }
      for (const rate of RATES) {
        const base = await drive(agent, direct, surface, stream, rate, seconds * 1_000);
        for (const target of others) {
          const through = await drive(agent, target, surface, stream, rate, seconds * 1_000);
          const row: Row = {
            added_ms: difference(through.whole, base.whole),
            direct_ms: base.whole,
            first_byte_added_ms: difference(through.firstByte, base.firstByte),
            gateway_ms: through.whole,
            rate,
            stream,
            surface,
            target: target.name,
          };
          rows.push(row);
          note(
            `  ${target.name} ${surface}${stream ? " stream" : ""} ${rate}/s: added p50 ${row.added_ms.p50} p99 ${row.added_ms.p99} ms, to the first byte p50 ${row.first_byte_added_ms.p50} p99 ${row.first_byte_added_ms.p99} ms`,
          );
        }
      }
    }
  }
  return rows;
}

/** Calls one target at a rate. A call that fails fails the bench: its time would be none. */
async function drive(
  agent: Agent,
  target: Target,
  surface: Surface,
  stream: boolean,
  rate: number,
  durationMs: number,
): Promise<Timings> {
  const whole: number[] = [];
  const firstByte: number[] = [];
  const url =
    surface === "anthropic"
      ? `${target.urls.anthropic}/v1/messages`
      : `${target.urls.openai}/chat/completions`;
  const body = JSON.stringify(bodyOf(surface, stream));
  const headers = headersOf(surface, target.keys[surface]);
  await openLoop(rate, durationMs, async ({ dueMs }) => {
    const response = await request(url, { body, dispatcher: agent, headers, method: "POST" });
    let seen = false;
    let text = "";
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      if (!seen) firstByte.push(performance.now() - dueMs);
      seen = true;
      if (response.statusCode !== 200) text += chunk.toString("utf8");
    }
    if (response.statusCode !== 200) {
      throw new Error(`${target.name} answered ${response.statusCode}: ${text.slice(0, 500)}`);
    }
    whole.push(performance.now() - dueMs);
  });
  return { firstByte: latencies(firstByte), whole: latencies(whole) };
}

const MODELS = { anthropic: "claude-haiku-4-5", openai: "gpt-5.6-luna" } as const;

function bodyOf(surface: Surface, stream: boolean): object {
  const messages = [
    { content: "Summarise this ticket in one sentence. ".repeat(20), role: "user" },
  ];
  const common = { messages, model: MODELS[surface], stream };
  if (surface === "anthropic") return { ...common, max_tokens: 128 };
  return {
    ...common,
    max_completion_tokens: 128,
    ...(stream ? { stream_options: { include_usage: true } } : {}),
  };
}

function headersOf(surface: Surface, key: string): Record<string, string> {
  const json = { "content-type": "application/json" };
  if (surface === "openai") return { ...json, authorization: `Bearer ${key}` };
  return { ...json, "anthropic-version": "2023-06-01", "x-api-key": key };
}
