/** One open hold and when it is due. */
export interface Due {
  readonly expiresAt: number;
  readonly seq: bigint;
  readonly authorization: string;
}

function before(a: Due, b: Due): boolean {
  return a.expiresAt < b.expiresAt || (a.expiresAt === b.expiresAt && a.seq < b.seq);
}

/**
 * Holds by (expires_at, seq), earliest first: a binary heap. A renewal pushes a second, later entry;
 * whoever takes one out checks it against the record and passes over what is no longer true.
 */
export class ExpiryQueue {
  readonly #heap: Due[] = [];

  get size(): number {
    return this.#heap.length;
  }

  peek(): Due | undefined {
    return this.#heap[0];
  }

  push(due: Due): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(due);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent] as Due;
      if (!before(due, above)) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = due;
  }

  pop(): Due | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      const right = child + 1;
      if (right < heap.length && before(heap[right] as Due, heap[child] as Due)) child = right;
      const below = heap[child] as Due;
      if (!before(below, last)) break;
      heap[i] = below;
      i = child;
    }
    heap[i] = last;
    return top;
  }
}
