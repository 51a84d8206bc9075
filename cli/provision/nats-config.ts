import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { readOrCreateSecret } from "./secrets.ts";

/** The users of nats.conf, each with least rights; `system` is of the system account. */
export const NATS_USERS = ["gateway", "node", "operator", "console", "system"] as const;
export type NatsUser = (typeof NATS_USERS)[number];

/** How one user connects; these are options of the NATS client. */
export interface NatsLogin {
  /** `host:port`. */
  readonly servers: string;
  readonly user: NatsUser;
  readonly pass: string;
  /** Required: nats.conf grants each user replies on this prefix only. */
  readonly inboxPrefix: string;
}

/** What a rendered configuration is made of. */
export interface NatsConfigValues {
  readonly host: string;
  readonly port: number;
  readonly storeDir: string;
  readonly shards: number;
  readonly passwords: Readonly<Record<NatsUser, string>>;
}

/** The commented configuration at the root of the repository. */
export const NATS_CONF = new URL("../../nats.conf", import.meta.url);

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

/** The connection options of `user`. */
export function natsLogin(user: NatsUser, servers: string, pass: string): NatsLogin {
  return { servers, user, pass, inboxPrefix: `_INBOX_${user}` };
}

/** A login as a URL with user and password, for `TARMAC_NATS_URL` and `TARMAC_NATS_SYSTEM_URL`. */
export function natsLoginUrl(login: NatsLogin): string {
  return `nats://${login.user}:${encodeURIComponent(login.pass)}@${login.servers}`;
}

/**
 * The text of a configuration file: nats.conf with its variables before it and the number of
 * shards put in. It holds passwords, so it belongs in a file of mode 0600.
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
  const template = await readFile(NATS_CONF, "utf8");
  const mapped = template.match(/\{\{partition\(\d+,1\)\}\}/g)?.length ?? 0;
  if (mapped !== MAPPED_COMMANDS) {
    throw new Error(`nats.conf maps ${mapped} commands to shards; it must map ${MAPPED_COMMANDS}`);
  }
  const variables: [string, string | number][] = [
    ["TARMAC_NATS_NAME", "tarmac"],
    ["TARMAC_NATS_HOST", values.host],
    ["TARMAC_NATS_PORT", values.port],
    ["TARMAC_NATS_STORE", values.storeDir],
    ...NATS_USERS.map((user): [string, string] => [
      `TARMAC_NATS_PASSWORD_${user.toUpperCase()}`,
      values.passwords[user],
    ]),
  ];
  return [
    "# Written by Tarmac at each start from nats.conf at the root of the repository.",
    ...variables.map(([name, value]) => `${name}: ${JSON.stringify(value)}`),
    "",
    template.replaceAll(/\{\{partition\(\d+,1\)\}\}/g, `{{partition(${shards},1)}}`),
  ].join("\n");
}
