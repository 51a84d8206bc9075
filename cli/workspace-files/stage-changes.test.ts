/**
 * Goal: staged changes fit entries and commands, in order, with nothing lost.
 * Method: changes of any sizes; the bytes are counted on what the codec writes.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type ConfigChange, configChange } from "../../ledger/workspace-config.ts";
import { stageChanges, stageCommands } from "./stage-changes.ts";

const change: fc.Arbitrary<ConfigChange> = fc
  .tuple(fc.nat(9_999), fc.string({ maxLength: 200, size: "max" }))
  .filter(([, title]) => title.length <= 200 && title.isWellFormed())
  .map(([n, title]) => ({ id: `team-${n}`, item: "team", value: { caps: {}, title } }));

function bytesOf(entry: readonly ConfigChange[]): number {
  return Buffer.byteLength(`[${entry.map((one) => configChange.write(one)).join(",")}]`);
}

test("stage: every entry and command fits; order is kept; nothing is lost", () => {
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 60, size: "max" }),
      fc.nat(6_000),
      (changes, reserved) => {
        const entries = stageChanges(changes, { entryBytesMax: 2_000, entryChangesMax: 17 });
        expect(entries.flat()).toEqual(changes);
        for (const entry of entries) {
          expect(bytesOf(entry)).toBeLessThanOrEqual(2_000 + 1);
          expect(entry.length).toBeLessThanOrEqual(17);
        }
        const commands = stageCommands(entries, {
          commandBytesMax: 6_000,
          lastReservedBytes: reserved,
        });
        expect(commands.flat(2)).toEqual(changes);
        for (const [i, command] of commands.entries()) {
          const bytes = command.reduce((sum, entry) => sum + bytesOf(entry) + 1, 0);
          const isLast = i === commands.length - 1;
          expect(bytes).toBeLessThanOrEqual(6_000 - (isLast ? reserved : 0) + 3);
          expect(command.length).toBeGreaterThan(0);
        }
      },
    ),
    // Shrinking lists of long titles takes minutes and shows no more than the first failure does.
    { endOnFailure: true },
  );
});

test("stage: no change at all still has an entry, for a commit of prices alone", () => {
  expect(stageCommands(stageChanges([]))).toEqual([[[]]]);
});

test("stage: a change that no entry holds is a broken promise of the loader", () => {
  const large: ConfigChange = { id: "a", item: "team", value: { caps: {}, title: "x".repeat(99) } };
  expect(() => stageChanges([large], { entryBytesMax: 99 })).toThrow(/no entry holds it/);
});
