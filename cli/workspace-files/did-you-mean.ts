/** Names longer than this are not compared: nobody misspells them by a letter or two. */
const NAME_LENGTH_MAX = 64;

/**
 * Edits between two words: letters added, left out, changed, or two neighbours swapped
 * (optimal string alignment).
 */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let least = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + +!same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, (before[j - 2] ?? 0) + 1);
      }
      next.push(least);
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}

/** The nearest of some names when it is near enough to be what was meant. */
export function nearestName(word: string, names: Iterable<string>): string | undefined {
  if (word.length > NAME_LENGTH_MAX) return undefined;
  const wanted = word.toLowerCase();
  // A third of the letters may be wrong, at least one of a word; of P0 and P1 none.
  const most = wanted.length < 3 ? 0 : Math.max(1, Math.floor(wanted.length / 3));
  let nearest: string | undefined;
  let least = most + 1;
  for (const name of names) {
    if (Math.abs(name.length - wanted.length) >= least) continue;
    const distance = editDistance(wanted, name.toLowerCase());
    if (distance < least) {
      nearest = name;
      least = distance;
    }
  }
  return nearest;
}

/** ` (did you mean X?)` with a space in front, or nothing. */
export function didYouMean(word: string, names: Iterable<string>): string {
  const nearest = nearestName(word, names);
  return nearest === undefined ? "" : ` (did you mean ${nearest}?)`;
}
