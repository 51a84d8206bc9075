/**
 * Goal: every node that starts finds the same schema, whoever made it, and no node runs on one that it
 * does not know. Method: real databases, migrated at once by several, by changed files and by newer ones.
 */
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { afterAll, expect, test } from "vitest";

import { testDatabase } from "../../cli/provision/vitest-servers.ts";
import { type Migration, migrate, readMigrations } from "./migrate.ts";
import { describeSchema, schemaDrift } from "./schema-description.ts";

const pools: pg.Pool[] = [];

afterAll(async () => {
  for (const pool of pools) await pool.end();
});

async function database(): Promise<{ url: string; pool: pg.Pool }> {
  const url = await testDatabase();
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  pools.push(pool);
  return { url, pool };
}

async function withStep(sql: string): Promise<Migration[]> {
  const known = await readMigrations();
  const number = known.length + 1;
  return [...known, { number, name: `000${number}_test_step.sql`, sql, sha256: "f".repeat(64) }];
}

test("migrate: several at once make the schema once", async () => {
  const { url, pool } = await database();
  const applied = await Promise.all(Array.from({ length: 5 }, () => migrate(url)));
  const names = (await readMigrations()).map((step) => step.name);
  expect(applied.filter((steps) => steps.length > 0)).toEqual([names]);
  expect(await migrate(url)).toEqual([]);
  expect(await schemaDrift(pool)).toEqual([]);
});

test("migrate: the schema is the one that was written down", async () => {
  const { url, pool } = await database();
  await migrate(url);
  const expected = fileURLToPath(new URL("schema.txt", import.meta.url));
  const facts = `${(await describeSchema(pool)).join("\n")}\n`;
  if (process.env["UPDATE_SCHEMA"] === "1") await writeFile(expected, facts);
  expect(facts, "after a new migration: UPDATE_SCHEMA=1 npx vitest run <this file>").toBe(
    await readFile(expected, "utf8"),
  );
});

test("drift: a column, an index and a type that were changed by hand are named", async () => {
  const { url, pool } = await database();
  await migrate(url);
  await pool.query("ALTER TABLE receipts ADD COLUMN note text");
  await pool.query("DROP INDEX entries_by_idempotency");
  await pool.query("ALTER TABLE balances ALTER COLUMN pace TYPE integer");
  const drift = await schemaDrift(pool);
  expect(drift.map((line) => line.replace(/ (WHERE|USING).*/, ""))).toEqual([
    "- CREATE INDEX entries_by_idempotency ON public.entries",
    "- balances.pace bigint",
    "+ balances.pace integer",
    "+ receipts.note text",
  ]);
});

test("refuse: a database that is newer is left alone", async () => {
  const { url, pool } = await database();
  await migrate(url, await withStep("CREATE TABLE newer (id integer)"));
  await expect(migrate(url)).rejects.toThrow(/newer than this version.*000\d_test_step\.sql/s);
  expect((await pool.query("SELECT * FROM newer")).rowCount).toBe(0);
});

test("refuse: a file that was changed after it was applied is named", async () => {
  const { url } = await database();
  await migrate(url);
  const [first, ...others] = await readMigrations();
  const changed = [{ ...(first as Migration), sha256: "0".repeat(64) }, ...others];
  await expect(migrate(url, changed)).rejects.toThrow(/0001_create_projection\.sql is not what/);
});

test("fail: a step that fails takes back the steps before it", async () => {
  const { url, pool } = await database();
  await expect(migrate(url, await withStep("CREATE TABLE entries (id integer)"))).rejects.toThrow(
    "already exists",
  );
  const tables = await pool.query("SELECT 1 FROM pg_tables WHERE schemaname = 'public'");
  expect(tables.rowCount).toBe(0);
});

test("fail: Postgres away is said in words", async () => {
  await expect(migrate("postgresql://nobody@127.0.0.1:1/none")).rejects.toMatchObject({
    name: "PostgresUnavailable",
    outcome: "none",
    message: expect.stringContaining("bring its schema up to date"),
  });
});
