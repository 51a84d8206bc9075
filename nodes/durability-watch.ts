import type { ConnectOptions } from "../bus/connect.ts";
import { knownUnfit } from "../bus/durability.ts";

/** How often servers are asked, in ms. Each look is one request and its own connection. */
const LOOK_MS = 10_000;

/**
 * Asks the servers again while the node runs. One that was away when the node started, or was started
 * again since, may not sync what it acknowledges; the node is connected to another and would not notice.
 */
export class DurabilityWatch {
  readonly #system: ConnectOptions;
  readonly #unfit: (problems: readonly string[]) => void;
  readonly #timer: NodeJS.Timeout;
  #looking = false;
  #told = "";

  /** `unfit` is called once for each new state of affairs that is not good. */
  constructor(system: ConnectOptions, unfit: (problems: readonly string[]) => void) {
    this.#system = system;
    this.#unfit = unfit;
    this.#timer = setInterval(() => void this.look(), LOOK_MS);
  }

  /** Looks now, unless it does already. Never rejects. */
  async look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    const problems = await knownUnfit(this.#system);
    this.#looking = false;
    const told = problems.join("\n");
    if (told !== "" && told !== this.#told) this.#unfit(problems);
    this.#told = told;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
