import { join } from "node:path";
import { connect } from "@nats-io/transport-node";

import { freePort } from "./free-port.ts";
import {
  type NatsLogin,
  type NatsTlsFiles,
  natsLogin,
  natsPasswords,
  renderNatsConfig,
  routePassword,
} from "./nats-config.ts";
import { type LaunchNats, NatsProcess } from "./nats-member.ts";
import {
  certificatesOf,
  loginsOf,
  lostItsPort,
  nameFor,
  type RunningNats,
  runningNats,
} from "./nats-server.ts";

export interface NatsClusterOptions {
  /** Path of a nats-server, from `findNatsServer`. */
  readonly binary: string;
  /** Holds a directory for each server. */
  readonly dir: string;
  /** Holds the users' passwords and that of routes. */
  readonly keysDir: string;
  readonly shards: number;
  /** Holds a log for each server. */
  readonly logsDir: string;
  /** How many; 3 unless given. */
  readonly servers?: number;
  /** Clients and routes are encrypted when given. The certificate must name localhost and 127.0.0.1. */
  readonly tls?: NatsTlsFiles;
  /** What becomes of a server's configuration before it starts; `number` counts from 1. */
  readonly alter?: (config: string, number: number) => string;
  /** How to start each, if not as `binary`. */
  readonly launch?: LaunchNats | undefined;
}

const HOST = "127.0.0.1";
const PORT_TRIES = 5;

/**
 * Starts a cluster of nats-servers on this machine with Tarmac's configuration, on free ports.
 * Returns when it has elected its leader and JetStream is healthy on all of them.
 *
 * @throws Error when one of them ends before that; none is left running then.
 */
export async function startNatsCluster(options: NatsClusterOptions): Promise<RunningNats> {
  for (let attempt = 1; ; attempt++) {
    const { members, running } = await prepare(options);
    await Promise.all(members.map((member) => member.launch()));
    const failure = await untilFormed(members, running.system);
    if (failure === undefined) return runningNats(members, HOST, running);
    await Promise.all(members.map((member) => member.stop()));
    if (lostItsPort(failure) && attempt < PORT_TRIES) continue;
    throw new Error(`the NATS cluster did not start: ${failure}\nIts logs: ${options.logsDir}`);
  }
}

async function prepare(options: NatsClusterOptions): Promise<{
  readonly members: readonly NatsProcess[];
  readonly running: ReturnType<typeof loginsOf>;
}> {
  const { binary, dir, keysDir, shards, logsDir, alter } = options;
  const passwords = await natsPasswords(keysDir);
  const servers = await Promise.all(
    Array.from({ length: options.servers ?? 3 }, async () => ({
      port: await freePort(HOST),
      routePort: await freePort(HOST),
    })),
  );
  const routes = servers.map(({ routePort }) => `${HOST}:${routePort}`);
  const password = await routePassword(keysDir);
  const ca = await certificatesOf(options.tls);
  const clientHost = nameFor(HOST, options.tls);
  const tls = options.tls === undefined ? {} : { tls: options.tls };
  const members = servers.map(async ({ port, routePort }, index) => {
    const name = `tarmac-${index + 1}`;
    const storeDir = join(dir, name);
    const config = await renderNatsConfig({
      name,
      host: HOST,
      port,
      storeDir,
      shards,
      passwords,
      cluster: { routePort, routes, routePassword: password },
      ...tls,
    });
    return new NatsProcess({
      name,
      binary,
      dir: storeDir,
      port,
      config: alter === undefined ? config : alter(config, index + 1),
      logFile: join(logsDir, `nats-${index + 1}.log`),
      system: natsLogin("system", `${clientHost}:${port}`, passwords.system, ca),
      launch: options.launch,
    });
  });
  return {
    members: await Promise.all(members),
    running: loginsOf(
      servers.map(({ port }) => `${clientHost}:${port}`),
      passwords,
      ca,
    ),
  };
}

/** Undefined once all know the leader and each other; else why they will not. */
async function untilFormed(
  members: readonly NatsProcess[],
  system: NatsLogin,
): Promise<string | undefined> {
  const failures = await Promise.all(members.map((member) => member.untilHealthy()));
  const found = failures.find((failure) => failure !== undefined);
  if (found !== undefined) return found;
  // A server alone in the first moment of a cluster is healthy too: all must count all.
  return members[0]?.until(() => countsAll(system, members.length));
}

async function countsAll(system: NatsLogin, servers: number): Promise<boolean> {
  const connection = await connect({
    ...system,
    servers: system.servers.split(","),
    reconnect: false,
    timeout: 2_000,
  });
  try {
    const replies = await connection.requestMany("$SYS.REQ.SERVER.PING.JSZ", "{}", {
      strategy: "count",
      maxMessages: servers,
      maxWait: 2_000,
    });
    let counted = 0;
    for await (const reply of replies) {
      const { data } = reply.json<{
        data?: { meta_cluster?: { leader?: string; cluster_size?: number } };
      }>();
      const { leader, cluster_size: size } = data?.meta_cluster ?? {};
      if (leader !== undefined && leader !== "" && size === servers) counted++;
    }
    return counted === servers;
  } finally {
    await connection.close();
  }
}
