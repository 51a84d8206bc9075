/**
 * Goal: whoever is refused finds the code explained, and no explained code is a ghost.
 * Method: compare the registry with the headings of docs/errors.md, both ways.
 */
import { expect, test } from "vitest";
import { REFUSALS } from "../ledger/refusals.ts";
import { read } from "./repository.ts";

test("docs/errors.md: has one heading for each refusal, and none besides", () => {
  const headings = [...read("docs/errors.md").matchAll(/^### `([^`]+)`\s*$/gm)];
  const documented = headings.map(([, refusal = ""]) => refusal);
  expect(documented.sort()).toEqual(Object.keys(REFUSALS).sort());
});
