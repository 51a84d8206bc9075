/**
 * One Postgres for all files of a vitest project, with a database for each file that asks, and a
 * nats-server for each file that asks. As `globalSetup` of the project the default export starts
 * the Postgres once; in a project without it, a file that asks starts one for itself.
 */
import { afterAll, inject } from "vitest";
import type { TestProject } from "vitest/node";

import type { RunningNats } from "./nats-server.ts";
import {
  createTestDatabase,
  startTestNats,
  startTestPostgres,
  type TestServersOptions,
} from "./test-cluster.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Admin URL of the shared Postgres. */
    tarmacPostgresUrl: string;
  }
}

/** vitest's global setup: starts the shared Postgres and returns what stops it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const postgres = await startTestPostgres();
  project.provide("tarmacPostgresUrl", postgres.url);
  return async () => {
    await postgres.stop();
  };
}

/**
 * A new database for the calling file, empty or a copy of `template`; returns its URL. Await it at
 * the top level of the file, not in a hook: what it may have to start is stopped in `afterAll`.
 */
export async function testDatabase(template?: string): Promise<string> {
  return createTestDatabase(await postgresUrl(), template);
}

/**
 * A new nats-server, or a cluster of three, for the calling file, stopped in `afterAll`; 4 shards
 * unless given. Await it at the top level of the file, not in a hook.
 */
export async function testNats(options: TestServersOptions = {}): Promise<RunningNats> {
  const nats = await startTestNats(options);
  afterAll(async () => {
    await nats.stop();
  });
  return nats;
}

let own: Promise<string> | undefined;

function postgresUrl(): Promise<string> {
  const shared: string | undefined = inject("tarmacPostgresUrl");
  if (shared !== undefined) return Promise.resolve(shared);
  own ??= startTestPostgres().then((postgres) => {
    afterAll(async () => {
      await postgres.stop();
    });
    return postgres.url;
  });
  return own;
}
