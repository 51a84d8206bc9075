import { hash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import pg from "pg";

import { withPostgres } from "../../readmodel/connect.ts";

/** The migrations that came with this version. */
export const MIGRATIONS = fileURLToPath(new URL("migrations/", import.meta.url));

/** One step of the schema: `0001_create_projection.sql`. Steps only go forward. */
export interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of the file, hex. */
  readonly sha256: string;
}

/** The database and the files of this version do not belong together. Nothing was changed. */
export class MigrationRefused extends Error {
  override readonly name = "MigrationRefused";
  readonly code = "migration-refused";
  readonly outcome = "none";
}

/** Any number that no other program takes on this database: "tarmac" in ASCII. */
const LOCK = 0x7461726d6163n;
const FILE_NAME = /^(\d{4})_[a-z0-9]+(_[a-z0-9]+)+\.sql$/;
/** A lock of another node that is migrating, and the longest step, in ms. */
const MIGRATE_MS_MAX = 120_000;

/**
 * Reads the migrations of a folder.
 * @throws MigrationRefused when a file is misnamed or a number is missing or there twice.
 */
export async function readMigrations(folder: string = MIGRATIONS): Promise<readonly Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".sql")).sort();
  const migrations: Migration[] = [];
  for (const name of names) {
    const number = Number(FILE_NAME.exec(name)?.[1] ?? Number.NaN);
    if (number !== migrations.length + 1) {
      const due = String(migrations.length + 1).padStart(4, "0");
      throw new MigrationRefused(`${name} stands where ${due}_verb_noun.sql is due`);
    }
    const sql = await readFile(`${folder}/${name}`, "utf8");
    migrations.push({ number, name, sql, sha256: hash("sha256", sql) });
  }
  return migrations;
}

/**
 * Brings a database to this version's schema, in one transaction. Several nodes may do so at once:
 * the first one works, the others wait and find it done.
 *
 * @returns the names of the migrations that were applied now.
 * @throws MigrationRefused when an applied file was changed since, or the database is newer.
 * @throws PostgresUnavailable when it is not there; the schema is then as it was.
 */
export async function migrate(
  url: string,
  migrations?: readonly Migration[],
): Promise<readonly string[]> {
  const steps = migrations ?? (await readMigrations());
  const client = new pg.Client({
    connectionString: url,
    application_name: "tarmac migrate",
    connectionTimeoutMillis: 5_000,
    statement_timeout: MIGRATE_MS_MAX,
  });
  // A connection that breaks also fails the statement under way, and that is where it is handled.
  client.on("error", () => undefined);
  return withPostgres("bring its schema up to date", "none", async () => {
    await client.connect();
    try {
      await client.query("BEGIN");
      const applied = await applyPending(client, steps);
      await client.query("COMMIT");
      return applied;
    } finally {
      // Without its COMMIT, a transaction ends undone with its connection.
      await client.end();
    }
  });
}

async function applyPending(
  client: pg.Client,
  steps: readonly Migration[],
): Promise<readonly string[]> {
  await client.query("SELECT pg_advisory_xact_lock($1)", [String(LOCK)]);
  await client.query(`
    CREATE TABLE IF NOT EXISTS schema_migrations (
      number integer NOT NULL,
      name text NOT NULL,
      sha256 text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT schema_migrations_pkey PRIMARY KEY (number)
    )`);
  const known = await client.query<{ number: number; name: string; sha256: string }>(
    "SELECT number, name, sha256 FROM schema_migrations ORDER BY number",
  );
  for (const [index, row] of known.rows.entries()) refuseForeign(row, steps[index]);
  const applied: string[] = [];
  for (const step of steps.slice(known.rows.length)) {
    await client.query(step.sql);
    await client.query("INSERT INTO schema_migrations (number, name, sha256) VALUES ($1, $2, $3)", [
      step.number,
      step.name,
      step.sha256,
    ]);
    applied.push(step.name);
  }
  return applied;
}

function refuseForeign(
  row: { readonly number: number; readonly name: string; readonly sha256: string },
  step: Migration | undefined,
): void {
  if (step === undefined) {
    throw new MigrationRefused(
      `the database is newer than this version of Tarmac: it has ${row.name}, which is not known ` +
        "here. Start the newer version, or give this one an empty database: the journal rebuilds it",
    );
  }
  if (row.number !== step.number || row.name !== step.name || row.sha256 !== step.sha256) {
    throw new MigrationRefused(
      `migration ${step.name} is not what was applied to this database (${row.name}, SHA-256 ` +
        `${row.sha256}; here ${step.sha256}). Put the file back and write a new one for the change`,
    );
  }
}
