import { join } from "node:path";

/** Where everything of a cluster on this machine stands. */
export interface Home {
  readonly root: string;
  /** Passwords, API keys and the signing key; 0700, files 0600. */
  readonly keys: string;
  /** Signs the ledgers' checkpoints. */
  readonly logKey: string;
  readonly logs: string;
  readonly nats: string;
  readonly postgres: string;
  readonly outbox: string;
  /** Workspace files of the first workspace, to be edited and applied. */
  readonly workspace: string;
  /** What runs at present, for the other commands. */
  readonly clusterFile: string;
}

export function homeAt(root: string): Home {
  return {
    root,
    keys: join(root, "keys"),
    logKey: join(root, "keys", "log-key"),
    logs: join(root, "logs"),
    nats: join(root, "nats"),
    outbox: join(root, "outbox"),
    postgres: join(root, "postgres"),
    workspace: join(root, "workspace"),
    clusterFile: join(root, "cluster.json"),
  };
}
