import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, beforeAll, test } from "vitest";
import { type LocalWorld, startLocalWorld } from "./testing/local-world.ts";
let w: LocalWorld;
beforeAll(async () => { w = await startLocalWorld(); });
afterAll(async () => { await w.stop(); });
test("smoke", async () => {
  const a = new Anthropic({ apiKey: w.keys["claude"]!, baseURL: `${w.gateway().url}/v1/anthropic` });
  const o = new OpenAI({ apiKey: w.keys["gpt"]!, baseURL: `${w.gateway().url}/v1/openai` });
  try {
  const { data, response } = await a.messages.create({ model: "claude-sonnet-5", max_tokens: 500, messages: [{ role: "user", content: "hello" }] }).withResponse();
  console.log(JSON.stringify(data.usage), Object.fromEntries([...response.headers].filter(([k]) => k.startsWith("x-tarmac"))));
  const s = a.messages.stream({ model: "auto", max_tokens: 500, messages: [{ role: "user", content: "hello" }] });
  const f = await s.finalMessage(); console.log(f.model, JSON.stringify(f.usage));
  const r = await o.chat.completions.create({ model: "gpt-5.6-luna", messages: [{ role: "user", content: "hello" }] }).withResponse();
  console.log(JSON.stringify(r.data.usage), Object.fromEntries([...r.response.headers].filter(([k]) => k.startsWith("x-tarmac"))));
  const st = await o.chat.completions.create({ model: "gpt-5.6-luna", stream: true, messages: [{ role: "user", content: "hello" }] });
  let n = 0, u = 0; for await (const c of st) { n++; if (c.usage) u++; } console.log(n, u);
  } catch (e) { console.log(e); }
  for (const e of w.engine.entries.slice(-12)) console.log(e.line.slice(0, 250));
  console.log(w.log);
  console.log(w.providers.served.counts);
});
