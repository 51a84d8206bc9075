import type { FreeRoute } from "../overlay.ts";

/**
 * Routes that their vendor does not bill. Everything else that is forwarded needs a hold.
 * The sentence that says so is Anthropic's own, as the second source quotes it.
 */
export const FREE_ROUTES: readonly FreeRoute[] = [
  {
    api: "anthropic",
    route: "/v1/messages/count_tokens",
    source:
      "https://platform.claude.com/docs/build-with-claude/token-counting (pricing and rate limits; " +
      "quoted by https://pkg.go.dev/github.com/rollwagen/ilconte)",
    read: "2026-11-22",
  },
];
