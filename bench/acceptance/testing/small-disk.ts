/** A disk of its own that is soon full: a tmpfs, which only root may mount. */
import { execFileSync } from "node:child_process";
import {
  closeSync,
  mkdtempSync,
  openSync,
  rmdirSync,
  rmSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface SmallDisk {
  readonly dir: string;
  /** Leaves so many bytes free. */
  fill(leftBytes: number): void;
  /** Gives back all that {@link fill} took. */
  free(): void;
  /** Unmounts; nobody may have a file of it open. */
  remove(): void;
}

const PAGE = Buffer.alloc(4_096);

/** Mounts one; undefined where this user or this kernel may not. */
export function mountSmallDisk(megabytes: number): SmallDisk | undefined {
  const dir = mkdtempSync(join(tmpdir(), "tarmac-disk-"));
  const filler = join(dir, "filler");
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", dir], {
      stdio: "ignore",
    });
  } catch {
    rmdirSync(dir);
    return undefined;
  }
  return {
    dir,
    fill(leftBytes) {
      const file = openSync(filler, "w");
      let size = 0;
      try {
        for (;;) size += writeSync(file, PAGE);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      } finally {
        closeSync(file);
      }
      truncateSync(filler, Math.max(0, size - leftBytes));
    },
    free: () => rmSync(filler),
    remove() {
      execFileSync("umount", [dir], { stdio: "ignore" });
      rmdirSync(dir);
    },
  };
}
