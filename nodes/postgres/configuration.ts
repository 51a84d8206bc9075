import type pg from "pg";

import type { WireEntry } from "../projector-batch.ts";

/** One item as the last commit left it; without a value it was removed. */
interface ConfigItem {
  readonly ws: string;
  readonly item: string;
  readonly id: string;
  readonly value: string | undefined;
  readonly seq: string;
}

interface WireChange {
  readonly item: string;
  readonly id: string;
  readonly value?: object;
}

/**
 * Writes the configuration that commits, policies and prices make count. The staged parts of a commit
 * are read from `entries`, where they stand already, so nothing is remembered between transactions.
 */
export async function applyConfiguration(
  client: pg.Client,
  entries: readonly WireEntry[],
): Promise<void> {
  if (entries.length === 0) return;
  const items = new Map<string, ConfigItem>();
  const put = (item: ConfigItem) => items.set(`${item.ws}|${item.item}|${item.id}`, item);
  for (const entry of entries) {
    const { ws, seq } = entry;
    if (entry.kind !== "configure") {
      const value = JSON.stringify(entry.kind === "policy" ? entry.policy : entry.price);
      put({ ws, item: entry.kind, id: ws, value, seq });
      continue;
    }
    for (const { item, id, value } of await committedChanges(client, entry)) {
      put({ ws, item, id, value: value === undefined ? undefined : JSON.stringify(value), seq });
    }
  }
  await write(client, [...items.values()]);
}

/**
 * The changes of a commit: those of every part of its stage since the commit before. (The list of kinds
 * is that of the partial index `entries_of_configuration`, which the planner takes only for it.)
 */
async function committedChanges(
  client: pg.Client,
  commit: WireEntry,
): Promise<readonly WireChange[]> {
  const parts = await client.query<{ line: Buffer }>(
    `SELECT line FROM entries
      WHERE ws = $1 AND kind IN ('configure', 'policy', 'price') AND kind = 'configure'
        AND seq > $2 AND seq <= $3
      ORDER BY seq`,
    [commit.ws, commit.base_seq, commit.seq],
  );
  const changes: WireChange[] = [];
  for (const row of parts.rows) {
    const part = JSON.parse(row.line.toString("utf8")) as {
      readonly stage: string;
      readonly changes: readonly WireChange[];
    };
    if (part.stage === commit.stage) changes.push(...part.changes);
  }
  return changes;
}

async function write(client: pg.Client, items: readonly ConfigItem[]): Promise<void> {
  const removed = items.filter((item) => item.value === undefined);
  const kept = items.filter((item) => item.value !== undefined);
  if (removed.length > 0) {
    await client.query(
      `DELETE FROM config_items AS c USING unnest($1::text[], $2::text[], $3::text[])
          AS n(ws, item, id)
        WHERE c.ws = n.ws AND c.item = n.item AND c.id = n.id`,
      [removed.map(({ ws }) => ws), removed.map(({ item }) => item), removed.map(({ id }) => id)],
    );
  }
  if (kept.length > 0) {
    await client.query(
      `INSERT INTO config_items (ws, item, id, value, seq)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[])
        ON CONFLICT (ws, item, id) DO UPDATE SET value = excluded.value, seq = excluded.seq`,
      [
        kept.map(({ ws }) => ws),
        kept.map(({ item }) => item),
        kept.map(({ id }) => id),
        kept.map(({ value }) => value),
        kept.map(({ seq }) => seq),
      ],
    );
  }
}
