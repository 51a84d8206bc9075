#!/usr/bin/env node
/**
 * The `tarmac` command. Tarmac is TypeScript that Node 24 runs as it is; this file is plain
 * JavaScript that Node 18 and later can run, and only finds that Node 24 and hands over to it:
 * the one npm installed beside us, else the one that runs this file if it is new enough.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

const NODE_MAJOR = 24;
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

function findNode() {
  const candidates = [
    here("../node_modules/.bin/node"),
    here(`../node_modules/node-${process.platform}-${process.arch}/bin/node`),
  ];
  const bundled = candidates.find((path) => existsSync(path));
  if (bundled !== undefined) return bundled;
  return Number(process.versions.node.split(".")[0]) >= NODE_MAJOR ? process.execPath : undefined;
}

function explain() {
  const platform = `${process.platform}-${process.arch}`;
  const packaged = ["linux-x64", "linux-arm64"].includes(platform);
  const remedy = packaged
    ? "Run `npm ci` in the folder of Tarmac (without `--omit=optional`): it brings Node 24 along."
    : `npm brings none for ${platform}. Install Node 24 (https://nodejs.org) so that \`node\` is it.`;
  console.error(`tarmac: needs Node ${NODE_MAJOR}; this is ${process.version}.\n${remedy}`);
}

function handOver(node) {
  const child = spawn(node, [here("../cli/main.ts"), ...process.argv.slice(2)], {
    stdio: "inherit",
  });
  // A terminal sends Ctrl-C and its own end to the child as well; passed on, they would come twice.
  const terminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      if (signal === "SIGTERM" || !terminal) child.kill(signal);
    });
  }
  child.on("error", (cause) => {
    console.error(`tarmac: cannot start ${node}: ${cause.message}`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    // Ends as the child did, so that a shell sees the signal; the code is for signals it ignores.
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
    process.exitCode = 128 + (constants.signals[signal] ?? 0);
  });
}

const node = findNode();
if (node === undefined) {
  explain();
  process.exitCode = 1;
} else {
  handOver(node);
}
