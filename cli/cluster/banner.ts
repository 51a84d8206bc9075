import { buildPriceCard, findLane } from "../../prices/card.ts";
import { CLAUDE_AGENT, GPT_AGENT } from "./starter.ts";
import type { RunningCluster } from "./up.ts";

/** The model of a built-in lane's lightest tier: the cheapest first call. */
function lightestModel(provider: string, family: string): string {
  const lane = findLane(buildPriceCard(), { family, provider, region: "global" });
  return lane?.tiers[0]?.model ?? "auto";
}

/** What `npm start` ends with: addresses, a key, and a line that works as pasted. */
export function banner({ file, keys, signInUrl }: RunningCluster, demo: boolean): string {
  const claudeKey = keys[CLAUDE_AGENT] ?? "(see .tarmac/keys)";
  const gptKey = keys[GPT_AGENT] ?? "(see .tarmac/keys)";
  const url = file.gateway_url;
  const how = (provider: "anthropic" | "openai") =>
    file.providers[provider] === "simulated"
      ? `simulated; set ${provider.toUpperCase()}_API_KEY for the real one`
      : "real";
  const body = JSON.stringify({
    max_tokens: 64,
    messages: [{ content: "Say hello.", role: "user" }],
    model: lightestModel("anthropic", "claude"),
  });
  return `
Tarmac is up.

  Console     ${signInUrl}
              signs you in once; another link: npx tarmac console --link
  gateway     ${url}
  Anthropic   base_url ${url}/v1/anthropic   (${how("anthropic")})
              key      ${claudeKey}
  OpenAI      base_url ${url}/v1/openai   (${how("openai")})
              key      ${gptKey}
  workspace   ${file.workspace}: edit .tarmac/workspace, then npx tarmac apply -f .tarmac/workspace
${demo ? "  demo        agents of four priorities at work in workspace demo: npx tarmac tail --workspace demo\n" : ""}
A first call, held and settled. Paste it into another terminal:

curl -si ${url}/v1/anthropic/v1/messages \\
  -H 'x-api-key: ${claudeKey}' \\
  -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' \\
  -d '${body}'

Then: npx tarmac tail · npx tarmac trigger over-cap · npx tarmac --help
Ctrl-C stops all of it; the ledger stays in ${file.workspace === "default" ? ".tarmac/" : "TARMAC_HOME"}.
`;
}
