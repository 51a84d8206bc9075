/** The pages by address. What is not needed for the first live screen is loaded when it is opened. */
import { Navigate, Route, Router } from "@solidjs/router";
import { type JSX, lazy, Suspense } from "solid-js";
import { AGENTS, LIVE, NODES, SIGNED_OUT } from "./links.ts";
import { LivePage } from "./pages/operations/live.tsx";
import { Shell } from "./shell/shell.tsx";

const AgentsPage = lazy(() => import("./pages/operations/agents.tsx"));
const AuthorizationPage = lazy(() => import("./pages/operations/authorization.tsx"));
const DesignPage = lazy(() => import("./pages/design.tsx"));
const NodesPage = lazy(() => import("./pages/operations/nodes.tsx"));
const NotFoundPage = lazy(() => import("./pages/not-found.tsx"));
const ReceiptPage = lazy(() => import("./pages/receipts/receipt.tsx"));
const ResolvePage = lazy(() => import("./pages/resolve.tsx"));
const SignedOutPage = lazy(() => import("./pages/signed-out.tsx"));

export function Pages(): JSX.Element {
  return (
    <Router root={(props) => <Suspense>{props.children}</Suspense>}>
      <Route path={SIGNED_OUT} component={SignedOutPage} />
      <Route path="/design" component={DesignPage} />
      <Route path="/" component={Shell}>
        <Route path="/" component={() => <Navigate href={LIVE} />} />
        <Route path={LIVE} component={LivePage} />
        <Route path={AGENTS} component={AgentsPage} />
        <Route path={NODES} component={NodesPage} />
        <Route path="/operations/authorizations/:id" component={AuthorizationPage} />
        <Route path="/receipts/:id" component={ReceiptPage} />
        <Route path="/r/:id" component={ResolvePage} />
        <Route path="*" component={NotFoundPage} />
      </Route>
    </Router>
  );
}
