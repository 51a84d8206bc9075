/**
 * Goal: whatever is sent, in whatever order, the workspace comes to what the rules say, and to the same
 * again from its journal or a snapshot.
 * Method: random operations against the real turn and a second writing of the rules
 * (testing/model.ts), compared after each; every entry also passes the auditor (testing/auditor.ts).
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeSnapshot } from "./snapshot.ts";
import { ModelRun } from "./testing/model-run.ts";
import { operation } from "./testing/operations.ts";
import { whatMatters } from "./testing/what-matters.ts";
import { replayEntry } from "./workspace.ts";

const operations = fc.array(operation, { maxLength: 60, minLength: 20, size: "max" });

test("turn: outcomes, balances and refusals are those of the model, at every entry (R1 R2 R4 R5 R8 R9 R10 R11 R12 R13 R14)", () => {
  fc.assert(
    fc.property(operations, (given) => {
      const run = new ModelRun();
      run.run(given);
      const live = whatMatters(run.world.state);
      expect(whatMatters(run.world.replayed())).toEqual(live);
      if (run.snapshot === undefined) return;
      const rebuilt = decodeSnapshot(run.snapshot.text);
      for (const sealed of run.world.entries.slice(run.snapshot.entries)) {
        replayEntry(rebuilt, sealed);
      }
      expect(whatMatters(rebuilt)).toEqual(live);
    }),
    { numRuns: 100 },
  );
});

test("turn: the same commands make the same bytes", () => {
  fc.assert(
    fc.property(operations, (given) => {
      const [first, second] = [new ModelRun(), new ModelRun()];
      first.run(given);
      second.run(given);
      const lines = (run: ModelRun) => run.world.entries.map(({ line }) => line);
      expect(lines(second)).toEqual(lines(first));
    }),
    { numRuns: 10 },
  );
});
