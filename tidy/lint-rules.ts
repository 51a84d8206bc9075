/**
 * Lint rules that oxlint lacks, as a plugin of it: import directions by resolved path (also of
 * `import()`, `import type` and `export … from`), and clocks read through `Date` without an argument.
 */
import { relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { directionProblem, isTestPath } from "./import-directions.ts";

/** The repository is where this file's folder stands, so a copied tree is judged by its own layout. */
const ROOT = fileURLToPath(new URL("..", import.meta.url));

interface Node {
  readonly type: string;
  readonly source?: Node | null;
  readonly value?: unknown;
  readonly callee?: Node;
  readonly name?: string;
  readonly arguments?: readonly Node[];
}

interface Context {
  readonly filename: string;
  report(problem: { readonly node: Node; readonly message: string }): void;
}

function pathOf(context: Context): string {
  return relative(ROOT, context.filename).split(sep).join("/");
}

const importDirection = {
  create(context: Context) {
    const importer = pathOf(context);
    const check = (node: Node) => {
      if (!node.source) return;
      const { value } = node.source;
      if (typeof value === "string") {
        const problem = directionProblem(importer, value);
        if (problem !== undefined) context.report({ node: node.source, message: problem });
      } else if (!isTestPath(importer)) {
        const message = "import() takes a literal, so that its direction can be checked";
        context.report({ node: node.source, message });
      }
    };
    return {
      ImportDeclaration: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
      ImportExpression: check,
      TSImportType: check,
    };
  },
};

const noBareDate = {
  create(context: Context) {
    const check = (node: Node) => {
      if (node.callee?.type !== "Identifier" || node.callee.name !== "Date") return;
      if (node.type === "NewExpression" && node.arguments?.length !== 0) return;
      context.report({ node, message: "reads the clock: take `now` as an argument" });
    };
    return { NewExpression: check, CallExpression: check };
  },
};

export default {
  meta: { name: "tarmac" },
  rules: { "import-direction": importDirection, "no-bare-date": noBareDate },
};
