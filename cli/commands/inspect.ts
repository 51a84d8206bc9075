import type { Command } from "commander";
import { doctor } from "../doctor.ts";
import { explain } from "../explain.ts";
import { nodes } from "../nodes.ts";
import { receipt } from "../receipt.ts";
import { status } from "../status.ts";
import { tail } from "../tail.ts";
import { TRIGGERS, trigger } from "../trigger.ts";

export function addInspectCommands(tarmac: Command): void {
  tarmac
    .command("status")
    .description("what runs on this machine, and whether a hold could be placed")
    .option("--json", "one JSON object")
    .action(status);
  tarmac
    .command("nodes")
    .description("the workers that run, and which of them decides which shard")
    .option("--json", "one JSON object")
    .action(nodes);
  tarmac
    .command("doctor")
    .description("what is there, what is missing, and how to get it")
    .option("--json", "one JSON object")
    .action(doctor);
  tarmac
    .command("tail")
    .description("decisions and settles as they happen")
    .option("-w, --workspace <name>", "the workspace")
    .option("-a, --agent <name>", "of one agent only")
    .option("--json", "the entries themselves, one a line")
    .option("-n, --count <n>", "stop after so many")
    .action(tail);
  tarmac
    .command("trigger")
    .description("see one happen: over-cap, abort, retry or late-settle")
    .argument("<what>", TRIGGERS.join(" | "))
    .option("--json", "one JSON object")
    .action(trigger);
  tarmac
    .command("explain")
    .description("why an authorization was decided as it was: rule, prices, and every cap")
    .argument("<authorization>", "auth_… or rcpt_…")
    .option("-w, --workspace <name>", "the workspace")
    .option("--json", "the authorize entry")
    .action(explain);
  tarmac
    .command("receipt")
    .description("one authorization from decision to close")
    .argument("<id>", "rcpt_… or auth_…")
    .option("-w, --workspace <name>", "the workspace")
    .option("--proof <file>", "write the proof of its closing entry: a file ending in .tlog-proof")
    .option("--json", "all its entries")
    .action(receipt);
}
