/** How deep a schema is followed; below that, values are empty. */
const DEPTH_MAX = 6;

/** Makes a plausible input for a tool from its JSON Schema: every property, first of each choice. */
export function toolInput(schema: unknown): unknown {
  return valueOf(schema, "value", DEPTH_MAX) ?? {};
}

function valueOf(schema: unknown, name: string, depth: number): unknown {
  if (typeof schema !== "object" || schema === null || depth === 0) return undefined;
  const spec = schema as Record<string, unknown>;
  if ("const" in spec) return spec["const"];
  for (const list of ["enum", "examples"]) {
    const choices = spec[list];
    if (Array.isArray(choices) && choices.length > 0) return choices[0];
  }
  for (const list of ["anyOf", "oneOf"]) {
    const choices = spec[list];
    if (Array.isArray(choices) && choices.length > 0) return valueOf(choices[0], name, depth - 1);
  }
  const type: unknown = Array.isArray(spec["type"]) ? spec["type"][0] : spec["type"];
  switch (type) {
    case "string":
      return `sample ${name}`;
    case "integer":
    case "number":
      return typeof spec["minimum"] === "number" ? spec["minimum"] : 7;
    case "boolean":
      return true;
    case "null":
      return null;
    case "array":
      return [valueOf(spec["items"], name, depth - 1) ?? `sample ${name}`];
    default:
      return objectOf(spec["properties"], depth);
  }
}

function objectOf(properties: unknown, depth: number): Record<string, unknown> {
  const made: Record<string, unknown> = {};
  if (typeof properties !== "object" || properties === null) return made;
  for (const [name, schema] of Object.entries(properties)) {
    made[name] = valueOf(schema, name, depth - 1) ?? {};
  }
  return made;
}
