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
  /** Unmounts; what is on it is gone. */
  remove(): void;
}

const PAGE = Buffer.alloc(4_096);

/** Whether this user may mount one on this kernel; tried once and taken away again. */
export function canMountSmallDisk(): boolean {
  try {
    mountSmallDisk(1).remove();
    return true;
  } catch {
    return false;
  }
}

/** Mounts one in a new directory. @throws Error where this user or this kernel may not */
export function mountSmallDisk(megabytes: number): SmallDisk {
  const dir = mkdtempSync(join(tmpdir(), "tarmac-disk-"));
  const filler = join(dir, "filler");
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", dir], {
      stdio: "ignore",
    });
  } catch (cause) {
    rmdirSync(dir);
    throw new Error("a tmpfs cannot be mounted here", { cause });
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
      // Lazily: a test that failed may have left a server behind that is on its way out.
      execFileSync("umount", ["-l", dir], { stdio: "ignore" });
      rmdirSync(dir);
    },
  };
}
