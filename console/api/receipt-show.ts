import type { FastifyInstance } from "fastify";
import { assert } from "../../ledger/assert.ts";
import type { ReceiptProof } from "../wire.ts";
import type { ApiServices } from "./api-context.ts";
import { receiptOf } from "./found-receipt.ts";

/**
 * `GET /api/receipts/:id`: the entry that closed an authorization, or its decision while it is open, with
 * a proof that the page checks by itself.
 */
export function receiptShow(app: FastifyInstance, services: ApiServices): void {
  const { log } = services.model;
  app.get("/api/receipts/:id", async (request): Promise<ReceiptProof> => {
    const { entries, receipt } = await receiptOf(request, services);
    const seq = receipt.closedSeq ?? receipt.openedSeq ?? entries.at(-1)?.seq;
    const entry = entries.find((one) => one.seq === seq);
    assert(entry !== undefined, `receipt ${receipt.receipt} names an entry that is not its own`);
    const proof = await log.receiptProof(receipt.ws, entry.seq);
    const checkpoint = await log.latestCheckpoint(receipt.ws);
    return {
      ws: receipt.ws,
      authorization: receipt.authorization,
      receipt: receipt.receipt,
      seq: String(entry.seq),
      line: entry.line,
      proof: proof ?? null,
      checkpoint: checkpoint?.note ?? null,
      vkeys: checkpoint === undefined ? [] : await log.vkeys(receipt.ws),
      simulated: services.simulatedProviders.includes(receipt.provider ?? ""),
    };
  });
}
