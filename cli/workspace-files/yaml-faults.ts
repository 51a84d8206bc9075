import { type Document, parseDocument, type YAMLError } from "yaml";
import { type FileProblem, problemAt, type SourceFile, type Span } from "./source-file.ts";

/** A parsed document, what is wrong with its syntax, and how far it can be trusted all the same. */
export interface FaultyDocument {
  readonly document: Document;
  /** In the order of the file, at most one per line. */
  readonly problems: readonly FileProblem[];
  /** From this offset on the document cannot be trusted. */
  readonly brokenFrom?: number;
  /** Lines with a fault that leaves the lines around it as they are. */
  readonly faultLines: ReadonlySet<number>;
}

/** Faults of syntax reported in one file: after these the parser is only guessing. */
const FAULTS_MAX = 20;

/** Faults after which the lines that follow still mean what they say. */
const LOCAL_FAULTS: ReadonlySet<string> = new Set([
  "BAD_DQ_ESCAPE",
  "BAD_SCALAR_START",
  "MULTILINE_IMPLICIT_KEY",
]);

const SECOND_COLON = "BLOCK_AS_IMPLICIT_KEY";
const TAB = "TAB_AS_INDENT";

const MESSAGES: Readonly<Record<string, string>> = {
  BAD_DIRECTIVE: "a line starting with % is not used in these files",
  BAD_DQ_ESCAPE: "in double quotes a backslash starts an escape: use single quotes",
  BAD_INDENT: "does not line up with the lines above: indent by spaces, siblings alike",
  BAD_SCALAR_START: "a value cannot start with this character: put quotes around the value",
  [SECOND_COLON]: 'a second ": " on one line: put quotes around the value',
  MULTILINE_IMPLICIT_KEY: 'a key, or a rule with ": ", must stand on one line',
  MULTIPLE_DOCS: "a second document starts here: one file holds one document",
  RESOURCE_EXHAUSTION: "is nested too deep to be read",
};

/** The parser's own words are the last resort: they may repeat what stands in the file. */
function messageOf(source: SourceFile, error: YAMLError): string {
  if (error.code === "BAD_INDENT" && error.message.startsWith("Flow")) {
    return "what is in brackets must be indented, and the brackets closed";
  }
  if (error.code === "MISSING_CHAR" && error.message.includes("quote")) {
    return "a quote that opens further up is not closed";
  }
  const known = MESSAGES[error.code];
  if (known !== undefined) return known;
  if (source.concealed) return "is not valid YAML";
  return `is not valid YAML: ${error.message.replaceAll(/\s+/g, " ")}`;
}

/** YAML 1.2 with the failsafe schema: every scalar is the text it is in the file. */
function parse(text: string): Document {
  return parseDocument(text, {
    logLevel: "silent",
    prettyErrors: false,
    schema: "failsafe",
    uniqueKeys: false,
    version: "1.2",
  });
}

/** Collects faults, the first of each line. */
class FaultList {
  readonly problems: FileProblem[] = [];
  readonly faultLines = new Set<number>();
  readonly #source: SourceFile;

  constructor(source: SourceFile) {
    this.#source = source;
  }

  /** `isLocal`: nothing else that is said about this line can be trusted. */
  add(span: Span, message: string, isLocal: boolean): void {
    const { line } = this.#source.lines.linePos(span.start);
    const isKnown = this.problems.some((problem) => problem.line === line);
    if (!isKnown && this.problems.length < FAULTS_MAX) {
      this.problems.push(problemAt(this.#source, span, message));
    }
    if (isLocal) this.faultLines.add(line);
  }
}

/** Tabs of indentation read as spaces, one each, so that the rest of the file can be checked too. */
function withoutTabs(text: string, fault: YAMLError, faults: FaultList): string {
  const indents = /^[ ]*\t[ \t]*/gm;
  const count = text.match(indents)?.length ?? 0;
  const where = count > 1 ? ` (in ${count} lines)` : "";
  const span = { start: fault.pos[0], end: fault.pos[1] };
  faults.add(span, `tabs cannot indent in YAML: use spaces${where}`, false);
  return text.replaceAll(indents, (indent) => indent.replaceAll("\t", " "));
}

/**
 * `title: Acme: the company` reads as a map inside a map, which then swallows the lines below. In
 * quotes of the same length it is one value, and every other line keeps its meaning and its place.
 */
function withQuotes(text: string, fault: YAMLError, faults: FaultList): string {
  const [start, end] = fault.pos;
  faults.add({ start, end }, MESSAGES[SECOND_COLON] ?? "", true);
  const lineEnd = /[\r\n]|$/.exec(text.slice(start))?.index ?? 0;
  const stand = `"${"_".repeat(Math.max(0, lineEnd - 2))}"`.slice(0, lineEnd);
  return text.slice(0, start) + stand + text.slice(start + lineEnd);
}

/** Parses a file; faults that can be told apart from what follows are mended in memory and reported. */
export function parseFaulty(source: SourceFile): FaultyDocument {
  const faults = new FaultList(source);
  let { text } = source;
  let document = parse(text);
  const tab = document.errors.find((error) => error.code === TAB);
  if (tab !== undefined) {
    text = withoutTabs(text, tab, faults);
    document = parse(text);
  }
  for (let i = 0; i < FAULTS_MAX; i++) {
    const colons = document.errors.filter((error) => error.code === SECOND_COLON);
    if (colons.length === 0) break;
    for (const colon of colons) text = withQuotes(text, colon, faults);
    document = parse(text);
  }
  let brokenFrom: number | undefined;
  const rest = [...document.errors, ...document.warnings].sort((a, b) => a.pos[0] - b.pos[0]);
  for (const fault of rest) {
    // Unknown tags are reported with all other tags when the tree is built.
    if (fault.code === "TAG_RESOLVE_FAILED") continue;
    const isLocal = LOCAL_FAULTS.has(fault.code);
    if (!isLocal) brokenFrom ??= fault.pos[0];
    const span = { start: fault.pos[0], end: fault.pos[1] };
    faults.add(span, messageOf(source, fault), isLocal);
  }
  const { problems, faultLines } = faults;
  return { document, problems, faultLines, ...(brokenFrom === undefined ? {} : { brokenFrom }) };
}
