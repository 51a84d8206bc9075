/** Who looks, at which workspace, and under which theme: what every page of the shell needs to know. */
import {
  type Accessor,
  createContext,
  createEffect,
  createMemo,
  createSignal,
  type JSX,
  useContext,
} from "solid-js";
import type { Session, SessionWorkspace } from "../wire.ts";

export interface SessionState {
  readonly session: Accessor<Session>;
  /** The workspace that is looked at; one with an empty id where there is none. */
  readonly workspace: Accessor<SessionWorkspace>;
  readonly ws: Accessor<string>;
  /** The zone in which the workspace counts its days. */
  readonly zone: Accessor<string>;
  readonly choose: (ws: string) => void;
}

const NONE: SessionWorkspace = { currency: "USD", name: "No workspace", time_zone: "UTC", ws: "" };
const CHOICE = "tarmac.workspace";

const SessionContext = createContext<SessionState>();

/** The session of the shell. */
export function useSession(): SessionState {
  const state = useContext(SessionContext);
  if (state === undefined) throw new Error("a page outside of the shell has no session");
  return state;
}

export function SessionProvider(props: {
  readonly session: Session;
  readonly children: JSX.Element;
}): JSX.Element {
  const [chosen, choose] = createSignal(localStorage.getItem(CHOICE) ?? "");
  createEffect(() => localStorage.setItem(CHOICE, chosen()));
  const session = () => props.session;
  const workspace = createMemo(() => {
    const { workspaces } = session();
    return workspaces.find(({ ws }) => ws === chosen()) ?? workspaces[0] ?? NONE;
  });
  const ws = createMemo(() => workspace().ws);
  const state = { choose, session, workspace, ws, zone: () => workspace().time_zone };
  return <SessionContext.Provider value={state}>{props.children}</SessionContext.Provider>;
}
