/**
 * Strict schemas with one canonical spelling (RFC 8785): keys sorted, no spaces, quantities as decimal
 * strings. `write` emits keys in order without sorting at run time; `read` refuses unknown keys, so
 * `write(read(bytes))` gives back the very bytes or `read` reports why not.
 */

/** Collects every mistake of one input: `path: what is wrong`. */
export type Problems = string[];

/** Reads and writes one type of value. `read` adds to `problems` and returns `undefined` on a mistake. */
export interface Schema<T> {
  write(value: T): string;
  /**
   * What stands between the quotes, for types that are written as one string. Objects put the quotes
   * to the names of their fields: half as many pieces of text for the same bytes.
   */
  plain?(this: void, value: T): string;
  read(json: unknown, path: string, problems: Problems): T | undefined;
}

/** The type that a schema reads. */
export type Infer<S> = S extends Schema<infer T> ? T : never;

/**
 * Given in place of a list of mistakes by who only asks whether there is one: `read` then stops at the
 * first, makes no paths, and may put what it reads in the place of what it was read from.
 */
const SILENT: Problems = Object.assign([], { push: () => 0 });

function problem(problems: Problems, path: string, what: string): undefined {
  if (problems === SILENT) return undefined;
  problems.push(`${path === "" ? "value" : path}: ${what}`);
  return undefined;
}

/** What JSON writes otherwise than it is: quotes, backslashes, controls, and halves of surrogate pairs. */
const NEEDS_ESCAPE = /[^ !#-[\]-\ud7ff\ue000-\uffff]/;

/** A text as it stands between quotes. `JSON.stringify` takes twice the time where it changes nothing. */
function escaped(value: string): string {
  return NEEDS_ESCAPE.test(value) ? JSON.stringify(value).slice(1, -1) : value;
}

/** Any well-formed Unicode string up to a length in UTF-16 code units. */
export function text(maxLength = 4096): Schema<string> {
  return {
    write: (value) => `"${escaped(value)}"`,
    plain: escaped,
    read(json, path, problems) {
      if (typeof json !== "string") return problem(problems, path, "must be a string");
      if (json.length > maxLength) {
        return problem(problems, path, `must be at most ${maxLength} characters`);
      }
      if (!json.isWellFormed()) return problem(problems, path, "holds half a surrogate pair");
      return json;
    },
  };
}

/** A string of a fixed pattern that needs no escaping: ids, names, hashes. */
export function token(pattern: RegExp, what: string): Schema<string> {
  return {
    write: (value) => `"${value}"`,
    plain: (value) => value,
    read(json, path, problems) {
      if (typeof json === "string" && pattern.test(json) && !/["\\]/.test(json)) return json;
      return problem(problems, path, `must be ${what}`);
    },
  };
}

/** One of a list of names. */
export function oneOf<const V extends readonly string[]>(names: V): Schema<V[number]> {
  const known = new Set<string>(names);
  return {
    write: (value) => `"${value}"`,
    plain: (value) => value,
    read(json, path, problems) {
      if (typeof json === "string" && known.has(json)) return json as V[number];
      return problem(problems, path, `must be one of ${names.join(", ")}`);
    },
  };
}

const DECIMAL = /^(0|-?[1-9][0-9]{0,30})$/;

/** Digits that a `number` holds exactly, whatever they are. */
const EXACT_DIGITS = 15;
const DIGIT_0 = 48;
const DIGIT_9 = 57;

/** Reads what {@link DECIMAL} allows; `BigInt` of a text takes three times as long as of a number. */
function readDecimal(json: string): bigint | undefined {
  if (json === "0") return 0n;
  const length = json.length;
  const first = json.charCodeAt(0);
  if (length > EXACT_DIGITS || !(first > DIGIT_0 && first <= DIGIT_9)) {
    return DECIMAL.test(json) ? BigInt(json) : undefined;
  }
  let value = first - DIGIT_0;
  for (let i = 1; i < length; i++) {
    const digit = json.charCodeAt(i);
    if (digit < DIGIT_0 || digit > DIGIT_9) return undefined;
    value = value * 10 + (digit - DIGIT_0);
  }
  return BigInt(value);
}

/** A whole number of up to 31 digits, `bigint` in memory, a decimal string on the wire. */
export function decimal(minimum?: bigint, maximum?: bigint): Schema<bigint> {
  return {
    write: (value) => `"${value}"`,
    plain: (value) => value.toString(),
    read(json, path, problems) {
      const value = typeof json === "string" ? readDecimal(json) : undefined;
      if (value === undefined) {
        return problem(problems, path, 'must be a whole number as a decimal string, like "1200"');
      }
      if (minimum !== undefined && value < minimum) {
        return problem(problems, path, `must be at least ${minimum}`);
      }
      if (maximum !== undefined && value > maximum) {
        return problem(problems, path, `must be at most ${maximum}`);
      }
      return value;
    },
  };
}

/** A small whole number, a JSON number on the wire: counts and versions, never money. */
export function integer(minimum: number, maximum: number): Schema<number> {
  return {
    write: (value) => `${value}`,
    read(json, path, problems) {
      if (Number.isInteger(json) && !Object.is(json, -0)) {
        const value = json as number;
        if (value >= minimum && value <= maximum) return value;
      }
      return problem(problems, path, `must be a whole number from ${minimum} to ${maximum}`);
    },
  };
}

/** `true` or `false`. */
export const bool: Schema<boolean> = {
  write: (value) => (value ? "true" : "false"),
  read(json, path, problems) {
    if (typeof json === "boolean") return json;
    return problem(problems, path, "must be true or false");
  },
};

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
/** Texts of the moments in use: a turn writes a handful, most of them many times over. */
const instantTexts = new Map<number, string>();
const INSTANT_TEXTS_MAX = 256;

/** Milliseconds since 1970 as `2026-11-22T15:48:30.123Z`. */
export function formatInstant(ms: number): string {
  const known = instantTexts.get(ms);
  if (known !== undefined) return known;
  if (instantTexts.size >= INSTANT_TEXTS_MAX) instantTexts.clear();
  const instantText = new Date(ms).toISOString();
  instantTexts.set(ms, instantText);
  return instantText;
}

/** A moment: milliseconds since 1970 in memory, RFC 3339 in UTC with milliseconds on the wire. */
export const instant: Schema<number> = {
  write: (value) => `"${formatInstant(value)}"`,
  plain: formatInstant,
  read(json, path, problems) {
    const ms = typeof json === "string" ? readInstant(json) : undefined;
    if (ms !== undefined) return ms;
    return problem(problems, path, "must be a moment like 2026-11-22T15:48:30.123Z");
  },
};

/** `2026-11-22T15:48:30` of moments that were read: they come by the thousand within a second. */
const seconds = new Map<string, number>();
const SECONDS_MAX = 256;
const SECOND_LENGTH = 19;

function readInstant(json: string): number | undefined {
  if (!INSTANT.test(json)) return undefined;
  const name = json.slice(0, SECOND_LENGTH);
  let second = seconds.get(name);
  if (second === undefined) {
    second = Date.parse(`${name}.000Z`);
    // The 30th of February and the 25th hour are read as days after them.
    if (Number.isNaN(second) || new Date(second).toISOString() !== `${name}.000Z`) return undefined;
    if (seconds.size >= SECONDS_MAX) seconds.clear();
    seconds.set(name, second);
  }
  const millis =
    (json.charCodeAt(20) - DIGIT_0) * 100 +
    (json.charCodeAt(21) - DIGIT_0) * 10 +
    (json.charCodeAt(22) - DIGIT_0);
  return second + millis;
}

/** A list, in the order given. */
export function list<T>(element: Schema<T>, maxLength = 10_000): Schema<readonly T[]> {
  return {
    write(value) {
      let out = "[";
      for (let i = 0; i < value.length; i++) {
        out += (i === 0 ? "" : ",") + element.write(value[i] as T);
      }
      return `${out}]`;
    },
    read(json, path, problems) {
      if (!Array.isArray(json)) return problem(problems, path, "must be a list");
      if (json.length > maxLength) return problem(problems, path, `has over ${maxLength} elements`);
      if (problems === SILENT) {
        for (let i = 0; i < json.length; i++) {
          const part = element.read(json[i], "", SILENT);
          if (part === undefined) return undefined;
          json[i] = part;
        }
        return json as T[];
      }
      const before = problems.length;
      const out = json.map((item, i) => element.read(item, `${path}[${i}]`, problems) as T);
      return problems.length === before ? out : undefined;
    },
  };
}

function isObject(json: unknown): json is Record<string, unknown> {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

/** A map of free names to values of one type; written in sorted order. */
export function record<T>(
  name: RegExp,
  element: Schema<T>,
  maxSize = 1000,
): Schema<Readonly<Record<string, T>>> {
  return {
    write(value) {
      const keys = Object.keys(value).sort();
      const fields = keys.map((key) => `${JSON.stringify(key)}:${element.write(value[key] as T)}`);
      return `{${fields.join(",")}}`;
    },
    read(json, path, problems) {
      if (!isObject(json)) return problem(problems, path, "must be an object");
      const before = problems.length;
      const keys = Object.keys(json).sort();
      if (keys.length > maxSize) return problem(problems, path, `has over ${maxSize} fields`);
      if (problems === SILENT) return readFields(json, keys, name, element);
      const out: [string, T][] = [];
      for (const key of keys) {
        if (!name.test(key))
          problem(problems, `${path}.${key}`, "is not a name that can stand here");
        out.push([key, element.read(json[key], `${path}.${key}`, problems) as T]);
      }
      // `fromEntries` makes own fields also of names such as `__proto__`.
      return problems.length === before ? Object.fromEntries(out) : undefined;
    },
  };
}

/** Reads the fields of a map into a new one. */
function readFields<T>(
  json: Record<string, unknown>,
  keys: readonly string[],
  name: RegExp,
  element: Schema<T>,
): Readonly<Record<string, T>> | undefined {
  const out: [string, T][] = [];
  for (const key of keys) {
    const part = name.test(key) ? element.read(json[key], "", SILENT) : undefined;
    if (part === undefined) return undefined;
    out.push([key, part]);
  }
  return Object.fromEntries(out);
}

type Fields = Readonly<Record<string, Schema<unknown>>>;
type ObjectOf<R extends Fields, O extends Fields> = {
  readonly [K in keyof R]: Infer<R[K]>;
} & { readonly [K in keyof O]?: Infer<O[K]> };

/** An object of required and optional fields and no others. */
export function object<R extends Fields, O extends Fields = Record<never, never>>(
  required: R,
  optional?: O,
): Schema<ObjectOf<R, O>> {
  const all: Fields = { ...required, ...optional };
  const names = Object.keys(all).sort();
  const plan = names.map((name) => {
    const schema = all[name] as Schema<unknown>;
    const key = `${JSON.stringify(name)}:${schema.plain === undefined ? "" : '"'}`;
    return {
      name,
      /** By what stands before it in the object: nothing, a value, a value whose quote is still open. */
      lead: [key, `,${key}`, `",${key}`] as const,
      plain: schema.plain,
      schema,
      required: Object.hasOwn(required, name),
    };
  });
  return {
    write(value) {
      const source = value as Record<string, unknown>;
      let out = "{";
      let before: 0 | 1 | 2 = 0;
      for (const { name, lead, plain, schema } of plan) {
        const part = source[name];
        if (part === undefined) continue;
        out += lead[before];
        out += plain === undefined ? schema.write(part) : plain(part);
        before = plain === undefined ? 1 : 2;
      }
      return out + (before === 2 ? '"}' : "}");
    },
    read(json, path, problems) {
      if (!isObject(json)) return problem(problems, path, "must be an object");
      if (problems === SILENT) {
        return readInPlace(json, plan) ? (json as ObjectOf<R, O>) : undefined;
      }
      const before = problems.length;
      const out: Record<string, unknown> = {};
      for (const field of plan) {
        const at = path === "" ? field.name : `${path}.${field.name}`;
        const part = json[field.name];
        if (part !== undefined) out[field.name] = field.schema.read(part, at, problems);
        else if (field.required) problem(problems, at, "is missing");
      }
      for (const key of Object.keys(json)) {
        if (!Object.hasOwn(all, key)) {
          problem(problems, path === "" ? key : `${path}.${key}`, "is not a known field");
        }
      }
      return problems.length === before ? (out as ObjectOf<R, O>) : undefined;
    },
  };
}

/** What an object knows of one of its fields to read it. */
interface Field {
  readonly name: string;
  readonly schema: Schema<unknown>;
  readonly required: boolean;
}

/**
 * Reads the fields of an object that `JSON.parse` made, each in its place: a copy would take longer than
 * all the checks. @returns false when there is a mistake; some fields may be changed already.
 */
function readInPlace(json: Record<string, unknown>, plan: readonly Field[]): boolean {
  let known = 0;
  for (const { name, schema, required } of plan) {
    const part = json[name];
    if (part === undefined) {
      if (required) return false;
      continue;
    }
    known += 1;
    const value = schema.read(part, "", SILENT);
    if (value === undefined) return false;
    if (value !== part) json[name] = value;
  }
  let there = 0;
  for (const _ in json) there += 1;
  return there === known;
}

type Tagged<V extends Readonly<Record<string, Schema<object>>>> = {
  [K in keyof V]: Infer<V[K]>;
}[keyof V];

/** One of several objects, told apart by the value of one of their fields, which each of them lists. */
export function variant<V extends Readonly<Record<string, Schema<object>>>>(
  tag: string,
  variants: V,
): Schema<Tagged<V>> {
  return {
    write(value) {
      const name = (value as Record<string, unknown>)[tag] as string;
      return (variants[name] as Schema<object>).write(value as object);
    },
    read(json, path, problems) {
      if (!isObject(json)) return problem(problems, path, "must be an object");
      const name = json[tag];
      if (typeof name !== "string" || !Object.hasOwn(variants, name)) {
        const at = path === "" ? tag : `${path}.${tag}`;
        return problem(problems, at, `must be one of ${Object.keys(variants).join(", ")}`);
      }
      return (variants[name] as Schema<object>).read(json, path, problems) as Tagged<V> | undefined;
    },
  };
}

/** A schema that names itself, for trees. */
export function lazy<T>(get: () => Schema<T>): Schema<T> {
  return {
    write: (value) => get().write(value),
    read: (json, path, problems) => get().read(json, path, problems),
  };
}

/** What reading bytes gave: the value, or every mistake in them. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: Problems };

/** Parses JSON text by a schema; never throws. */
export function parseJson<T>(schema: Schema<T>, json: string): Parsed<T> {
  let raw: unknown;
  try {
    raw = JSON.parse(json);
  } catch (cause) {
    return { ok: false, problems: [`not JSON: ${(cause as SyntaxError).message}`] };
  }
  const right = schema.read(raw, "", SILENT);
  if (right !== undefined) return { ok: true, value: right };
  // What is wrong is found by reading it once more: it may be changed in part.
  const problems: Problems = [];
  const value = schema.read(JSON.parse(json), "", problems);
  if (value === undefined || problems.length > 0) return { ok: false, problems };
  return { ok: true, value };
}
