import { QueryClient, QueryClientProvider } from "@tanstack/solid-query";
import { render } from "solid-js/web";
import { ApiProblem } from "./api.ts";
import { Pages } from "./routes.tsx";
import { followTheme } from "./shell/theme.ts";
import { copyExactAmounts } from "./ui/money.tsx";
import "./theme.css";

/** Failures that may pass by themselves; the others are shown at once. */
const PASSING: ReadonlySet<string> = new Set(["busy", "postgres-unavailable", "unreachable"]);
const ATTEMPTS = 2;

const client = new QueryClient({
  defaultOptions: {
    queries: {
      refetchOnWindowFocus: false,
      retry: (failures, error) =>
        failures < ATTEMPTS && error instanceof ApiProblem && PASSING.has(error.code),
      retryDelay: (attempt) => 500 * 2 ** attempt,
    },
  },
});

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
followTheme();
copyExactAmounts();
render(
  () => (
    <QueryClientProvider client={client}>
      <Pages />
    </QueryClientProvider>
  ),
  root,
);
