import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { readOrCreateSecret } from "./secrets.ts";

/** The users of nats.conf, each with least rights; `system` is of the system account. */
export const NATS_USERS = ["gateway", "node", "operator", "console", "system"] as const;
export type NatsUser = (typeof NATS_USERS)[number];

/** How one user connects; these are options of the NATS client. */
export interface NatsLogin {
  /** `host:port`; of a cluster all of them, with commas. */
  readonly servers: string;
  readonly user: NatsUser;
  readonly pass: string;
  /** Required: nats.conf grants each user replies on this prefix only. */
  readonly inboxPrefix: string;
  /** Who vouches for the servers, where they encrypt. */
  readonly tls?: { readonly ca: string };
}

/** Files of one server's certificate; `caFile` holds whom it trusts. */
export interface NatsTlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

/** What makes a server one of a cluster. */
export interface NatsClusterValues {
  /** Where the other servers connect to. */
  readonly routePort: number;
  /** `host:port` of all servers, this one too. */
  readonly routes: readonly string[];
  readonly routePassword: string;
}

/** What a rendered configuration is made of. */
export interface NatsConfigValues {
  /** `tarmac` unless given; it must differ among the servers of a cluster. */
  readonly name?: string;
  readonly host: string;
  readonly port: number;
  readonly storeDir: string;
  readonly shards: number;
  readonly passwords: Readonly<Record<NatsUser, string>>;
  readonly cluster?: NatsClusterValues;
  /** For clients and routes; without it nothing is encrypted. */
  readonly tls?: NatsTlsFiles;
}

/** The commented configurations at the root of the repository. */
const CONFIGS = {
  server: "nats.conf",
  cluster: "nats-cluster.conf",
  tls: "nats-tls.conf",
} as const;

/** The commands of nats.conf that are mapped to shards. */
const MAPPED_COMMANDS = 7;
const SHARDS_MAX = 1024;

/** The password of each user, from `<keysDir>/nats-<user>`; made on first use, mode 0600. */
export async function natsPasswords(keysDir: string): Promise<Record<NatsUser, string>> {
  const entries: [NatsUser, string][] = [];
  for (const user of NATS_USERS) {
    entries.push([user, await readOrCreateSecret(join(keysDir, `nats-${user}`))]);
  }
  return Object.fromEntries(entries) as Record<NatsUser, string>;
}

/** The connection options of `user`; `ca` is a PEM, where the servers encrypt. */
export function natsLogin(user: NatsUser, servers: string, pass: string, ca?: string): NatsLogin {
  const tls = ca === undefined ? {} : { tls: { ca } };
  return { servers, user, pass, inboxPrefix: `_INBOX_${user}`, ...tls };
}

/** The password that servers of a cluster show each other; made on first use, mode 0600. */
export function routePassword(keysDir: string): Promise<string> {
  return readOrCreateSecret(join(keysDir, "nats-route"));
}

/** A login as a URL with user and password, for `TARMAC_NATS_URL` and `TARMAC_NATS_SYSTEM_URL`. */
export function natsLoginUrl(login: NatsLogin): string {
  const scheme = login.tls === undefined ? "nats" : "tls";
  const who = `${login.user}:${encodeURIComponent(login.pass)}`;
  return login.servers
    .split(",")
    .map((server) => `${scheme}://${who}@${server}`)
    .join(",");
}

/**
 * The text of a configuration file: nats.conf, or nats-cluster.conf with all that it includes, with
 * their variables before them and the number of shards put in. It holds passwords, so it belongs in
 * a file of mode 0600.
 *
 * @throws Error when the number of shards is no positive integer, or nats.conf does not map what
 * it should.
 */
export async function renderNatsConfig(values: NatsConfigValues): Promise<string> {
  const { shards } = values;
  if (!Number.isInteger(shards) || shards < 1 || shards > SHARDS_MAX) {
    throw new Error(
      `TARMAC_SHARDS is ${shards}: it must be a whole number from 1 to ${SHARDS_MAX}`,
    );
  }
  const server = await readConfig("server");
  const mapped = server.match(/\{\{partition\(\d+,1\)\}\}/g)?.length ?? 0;
  if (mapped !== MAPPED_COMMANDS) {
    throw new Error(`nats.conf maps ${mapped} commands to shards; it must map ${MAPPED_COMMANDS}`);
  }
  const tls = values.tls === undefined ? "" : await readConfig("tls");
  // A server's `include` does not see the variables of the file it stands in, only the environment's.
  const whole = values.cluster === undefined ? `${server}\n${tls}` : await readConfig("cluster");
  const text = whole
    .replaceAll(/^ *include \.\/nats-tls\.conf$/gm, () => tls)
    .replace(/^include \.\/nats\.conf$/m, () => server)
    .replaceAll(/\{\{partition\(\d+,1\)\}\}/g, `{{partition(${shards},1)}}`);
  return [
    "# Written by Tarmac at each start from nats.conf at the root of the repository.",
    ...variables(values).map(([name, value]) => `${name}: ${JSON.stringify(value)}`),
    "",
    text,
  ].join("\n");
}

function variables(values: NatsConfigValues): [string, string | number | string[]][] {
  const { cluster, tls } = values;
  return [
    ["TARMAC_NATS_NAME", values.name ?? "tarmac"],
    ["TARMAC_NATS_HOST", values.host],
    ["TARMAC_NATS_PORT", values.port],
    ["TARMAC_NATS_STORE", values.storeDir],
    ...NATS_USERS.map((user): [string, string] => [
      `TARMAC_NATS_PASSWORD_${user.toUpperCase()}`,
      values.passwords[user],
    ]),
    ...(cluster === undefined ? [] : clusterVariables(values.host, cluster)),
    ...(tls === undefined ? [] : tlsVariables(tls)),
  ];
}

function clusterVariables(
  host: string,
  { routePort, routes, routePassword: password }: NatsClusterValues,
): [string, string | number | string[]][] {
  return [
    ["TARMAC_NATS_ROUTE_HOST", host],
    ["TARMAC_NATS_ROUTE_PORT", routePort],
    [
      "TARMAC_NATS_ROUTES",
      routes.map((route) => `nats-route://route:${encodeURIComponent(password)}@${route}`),
    ],
    ["TARMAC_NATS_PASSWORD_ROUTE", password],
  ];
}

function tlsVariables({ certFile, keyFile, caFile }: NatsTlsFiles): [string, string][] {
  return [
    ["TARMAC_NATS_TLS_CERT", certFile],
    ["TARMAC_NATS_TLS_KEY", keyFile],
    ["TARMAC_NATS_TLS_CA", caFile],
  ];
}

function readConfig(which: keyof typeof CONFIGS): Promise<string> {
  return readFile(new URL(`../../${CONFIGS[which]}`, import.meta.url), "utf8");
}
