import { Feed, type FeedSources, type Watcher } from "./feed.ts";

/** How long a workspace that nobody watches any more is followed on, in ms: pages are reloaded. */
const LINGER_MS = 30_000;

/** One feed for each workspace that is watched in this process. */
export class Feeds {
  readonly #sources: FeedSources;
  readonly #feeds = new Map<string, { readonly feed: Feed; linger?: NodeJS.Timeout }>();

  constructor(sources: FeedSources) {
    this.#sources = sources;
  }

  /** The feed of a workspace, which from here on is watched. */
  watch(ws: string, watcher: Watcher): Feed {
    let entry = this.#feeds.get(ws);
    if (entry === undefined) {
      entry = { feed: new Feed(ws, this.#sources) };
      this.#feeds.set(ws, entry);
    }
    clearTimeout(entry.linger);
    entry.feed.watch(watcher);
    return entry.feed;
  }

  /** Says that a watcher is gone; the last one takes the feed with it after a while. */
  unwatch(feed: Feed, watcher: Watcher): void {
    feed.unwatch(watcher);
    const entry = this.#feeds.get(feed.ws);
    if (entry?.feed !== feed || feed.watched) return;
    clearTimeout(entry.linger);
    entry.linger = setTimeout(() => {
      this.#feeds.delete(feed.ws);
      feed.stop();
    }, LINGER_MS);
  }

  stop(): void {
    for (const { feed, linger } of this.#feeds.values()) {
      clearTimeout(linger);
      feed.stop();
    }
    this.#feeds.clear();
  }
}
