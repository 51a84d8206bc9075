/** A broken promise of the code itself. It ends the actor that meets it, and in `nodes` the process. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/**
 * Holds an invariant: what it checks is never a matter of input, only of our own correctness. On the hot
 * path the message is a function: to write one that nobody reads takes longer than most checks.
 * @throws InvariantError when `condition` is false.
 */
export function assert(condition: boolean, message: string | (() => string)): asserts condition {
  if (!condition) throw new InvariantError(typeof message === "string" ? message : message());
}

/** Closes a `switch` over a union: a new member without a branch does not compile. @throws InvariantError */
export function unreachable(value: never): never {
  throw new InvariantError(`unreachable: ${String(value)}`);
}
