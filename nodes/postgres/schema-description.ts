import { readFile } from "node:fs/promises";
import type pg from "pg";

/** The schema that the migrations make, one fact a line, as {@link describeSchema} says it. */
const EXPECTED = new URL("schema.txt", import.meta.url);

/** What makes a schema: columns, storage parameters, constraints and indexes of every table. */
const FACTS = `
  SELECT format('%s.%s %s%s%s%s', t.relname, a.attname,
      format_type(a.atttypid, a.atttypmod),
      CASE WHEN a.attnotnull THEN ' not null' ELSE '' END,
      COALESCE(' default ' || pg_get_expr(d.adbin, d.adrelid), ''),
      CASE WHEN c.collname IS NULL OR c.collname = 'default' THEN ''
        ELSE ' collate ' || c.collname END) AS fact
    FROM pg_attribute a
    JOIN pg_class t ON t.oid = a.attrelid AND t.relkind = 'r'
    LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
    LEFT JOIN pg_collation c ON c.oid = a.attcollation
    WHERE t.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT format('%s with %s', t.relname, array_to_string(t.reloptions, ', '))
    FROM pg_class t
    WHERE t.relnamespace = 'public'::regnamespace AND t.relkind = 'r' AND t.reloptions IS NOT NULL
  UNION ALL
  SELECT format('%s.%s storage %s', t.relname, a.attname, a.attstorage)
    FROM pg_attribute a
    JOIN pg_class t ON t.oid = a.attrelid AND t.relkind = 'r'
    JOIN pg_type y ON y.oid = a.atttypid
    WHERE t.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
      AND a.attstorage <> y.typstorage
  UNION ALL
  SELECT format('%s %s', c.conname, pg_get_constraintdef(c.oid))
    FROM pg_constraint c
    WHERE c.connamespace = 'public'::regnamespace AND c.contype IN ('p', 'u', 'f', 'c')
  UNION ALL
  SELECT pg_get_indexdef(i.indexrelid)
    FROM pg_index i
    JOIN pg_class t ON t.oid = i.indrelid
    WHERE t.relnamespace = 'public'::regnamespace AND NOT i.indisprimary`;

/** Describes the schema of a database, one fact a line, sorted. */
export async function describeSchema(client: pg.Client | pg.Pool): Promise<readonly string[]> {
  const facts = await client.query<{ fact: string }>(FACTS);
  return facts.rows.map((row) => row.fact).sort();
}

/**
 * Compares a database with the schema that the migrations make.
 * @returns what differs: `- missing` and `+ unexpected` facts; empty when it is as it should be.
 */
export async function schemaDrift(client: pg.Client | pg.Pool): Promise<readonly string[]> {
  const expected = new Set((await readFile(EXPECTED, "utf8")).trimEnd().split("\n"));
  const actual = new Set(await describeSchema(client));
  return [
    ...[...expected].filter((fact) => !actual.has(fact)).map((fact) => `- ${fact}`),
    ...[...actual].filter((fact) => !expected.has(fact)).map((fact) => `+ ${fact}`),
  ];
}
