/**
 * Notices when the whole machine stands still: a virtual machine that is suspended, or one so short of
 * processors that nothing runs. What has a deadline on such a machine is late through no fault of its own.
 */
export class PauseWitness {
  /** How long it stood still, all pauses together, in ms. */
  pausedMs = 0;
  readonly #timer: NodeJS.Timeout;

  constructor() {
    let last = performance.now();
    this.#timer = setInterval(() => {
      const now = performance.now();
      const lateMs = now - last - TICK_MS;
      last = now;
      if (lateMs > NOTED_MS) this.pausedMs += lateMs;
    }, TICK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

const TICK_MS = 100;
/** Less than this is a busy machine, and no pause. */
const NOTED_MS = 400;
