/**
 * Goal: whatever a client sends, it is told what was wrong in its vendor's own words, with the status
 * and the code of the contract, and nothing goes out and no money stays held for it. Method: a real
 * cluster, both surfaces, every kind of bad input; afterwards the ledger is read for what is left.
 */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { newKey } from "../../cli/api-keys.ts";
import { testDatabase } from "../../cli/provision/vitest-servers.ts";
import type { ConfigChange } from "../../ledger/workspace-config.ts";
import { buildPriceCard, cardFor } from "../../prices/card.ts";
import { openReadModel, type ReadModel } from "../../readmodel/read-model.ts";
import { CLAUDE, GPT } from "../cluster/workspaces.ts";
import { type Providers, startProviders } from "../providers/server.ts";
import {
  call,
  chat,
  type HttpAnswer,
  newClient,
  problemOf,
  SURFACES,
  type SurfaceName,
  untilKnown,
  vendorErrorOf,
} from "./testing/http-calls.ts";
import { auditLedger, balancesAfter, untilClosed } from "./testing/ledger-audit.ts";
import { Machine } from "./testing/machine.ts";
import { mixedWorkspace } from "./testing/mixed-workspaces.ts";

const MEBIBYTE = 1_048_576;
/** The envelope's own type for each status, as the vendors name them. */
const TYPES = {
  anthropic: {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "invalid_request_error",
    413: "invalid_request_error",
  },
  openai: {
    400: "invalid_request_error",
    401: "invalid_request_error",
    403: "invalid_request_error",
    404: "invalid_request_error",
    409: "invalid_request_error",
    413: "invalid_request_error",
  },
} as const;
type Status = keyof (typeof TYPES)["anthropic"];

const postgresUrl = await testDatabase();
const workspace = mixedWorkspace("bad-input");
/** Its prices leave the models of its lanes out. */
const unpriced = mixedWorkspace("bad-input-unpriced");
const client = newClient();
let machine: Machine;
let providers: Providers;
let readModel: ReadModel;
let servedBefore = 0;

beforeAll(async () => {
  providers = await startProviders();
  machine = await Machine.create({ postgresUrl, providers });
  await machine.start([workspace]);
  await configureUnpriced();
  await untilKnown(machine.gatewayUrl, unpriced.secret);
  readModel = openReadModel(postgresUrl);
});

afterAll(async () => {
  await readModel?.close();
  await client.close();
  await machine?.close();
  await providers?.stop();
});

beforeEach(() => {
  servedBefore = providers.served.length;
});

/** A workspace as no `tarmac apply` would make it: it takes a command of one's own. */
async function configureUnpriced(): Promise<void> {
  const session = await machine.session();
  const price = cardFor(buildPriceCard(), [CLAUDE, GPT]);
  const answer = await session.request(unpriced.ws, {
    base_seq: 0n,
    by: "acceptance",
    changes: [unpriced.changes],
    commit: true,
    kind: "configure",
    price: { ...price, models: [] },
    stage: randomUUID(),
  });
  if (answer.kind !== "configured") throw new Error(JSON.stringify(answer, bigints));
}

function bigints(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

interface Sent {
  readonly body?: string | Buffer | Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly key?: string;
}

function ask(surface: SurfaceName, sent: Sent = {}): Promise<HttpAnswer> {
  const agent = workspace.agents[surface][0] ?? "";
  const headers = { "x-tarmac-agent": agent, ...sent.headers };
  const { body = chat(surface, 64), key = workspace.secret } = sent;
  return call(machine.gatewayUrl, { body, headers, key, surface }, client);
}

/** A refusal of the contract: status, code, both envelopes, every word in the message, nothing sent. */
function expectRefused(
  answer: HttpAnswer,
  surface: SurfaceName,
  status: Status,
  code: string,
  words: readonly string[],
): void {
  expect([answer.status, answer.headers["x-tarmac-code"]], answer.text).toEqual([status, code]);
  expect(answer.headers["x-should-retry"]).toBe("false");
  const problem = problemOf(answer);
  expect(problem.code).toBe(code);
  const error = vendorErrorOf(answer);
  expect(error).toMatchObject({ message: problem.message, type: TYPES[surface][status] });
  if (surface === "openai") expect(error.code).toBe(code);
  for (const word of words) expect(problem.message).toContain(word);
  expect(providers.served.length).toBe(servedBefore);
}

interface BadInput extends Sent {
  readonly what: string;
  readonly status: Status;
  readonly code: string;
  readonly words: readonly string[];
  /** `param` of OpenAI's envelope. */
  readonly field?: string;
}

/** What is wrong in the same way on both surfaces. */
function badInputs(surface: SurfaceName): readonly BadInput[] {
  const bad = { code: "bad-request", status: 400 } as const;
  const limit = surface === "anthropic" ? "max_tokens" : "max_completion_tokens";
  const unmetered = surface === "anthropic" ? "mcp_servers" : "web_search_options";
  const required = surface === "anthropic" ? ["model", limit, "messages"] : ["model", "messages"];
  return [
    {
      ...bad,
      body: '{"model": "auto", ',
      what: "half of a JSON text",
      words: ["body: is not JSON"],
    },
    { ...bad, body: "[]", what: "a list", words: ["body: must be a JSON object"] },
    { ...bad, body: "", what: "nothing", words: ["body: is empty"] },
    { ...bad, body: Buffer.from([0x7b, 0xff, 0x7d]), what: "no UTF-8", words: ["is not UTF-8"] },
    {
      ...bad,
      body: `{"messages":[],"model":"auto","model":"auto"}`,
      what: "a field twice",
      words: ["model: stands twice"],
    },
    { ...bad, body: "[".repeat(100_000), what: "a deep nest", words: ["body: is not JSON"] },
    {
      ...bad,
      body: {},
      what: "no field at all",
      words: required.map((name) => `${name}: is missing`),
    },
    {
      ...bad,
      body: { [limit]: "many", messages: "hello", model: 5, stream: "yes" },
      what: "wrong types everywhere",
      words: [
        `${limit}: must be`,
        "messages: must be a list",
        "model: must be a string",
        "stream: must be",
      ],
    },
    {
      ...bad,
      body: chat(surface, -1),
      field: limit,
      what: "a negative limit",
      words: [`${limit}: must be a whole number`],
    },
    {
      ...bad,
      body: chat(surface, 64, { messages: [{ content: [{ type: 7 }], role: "user" }] }),
      field: "messages[0].content[0].type",
      what: "a block without a type",
      words: ["messages[0].content[0].type: must be a string"],
    },
    {
      ...bad,
      body: Buffer.alloc(30 * MEBIBYTE, "x"),
      what: "30 MB that are no JSON",
      words: ["is not JSON"],
    },
    {
      body: Buffer.alloc(33 * MEBIBYTE, " "),
      code: "body-too-large",
      status: 413,
      what: "33 MB",
      words: ["larger than 33554432 bytes"],
    },
    {
      ...bad,
      headers: { "content-encoding": "gzip" },
      what: "a compressed body",
      words: ["content-encoding: gzip is not read here"],
    },
    {
      ...bad,
      headers: { "x-tarmac-attributes": "{", "x-tarmac-run": "a run" },
      what: "two bad headers",
      words: ["x-tarmac-run: must be", "x-tarmac-attributes: is not JSON"],
    },
    {
      body: chat(surface, 64, { [unmetered]: surface === "anthropic" ? [] : {} }),
      code: "unsupported",
      field: unmetered,
      status: 404,
      what: "a feature that cannot be metered",
      words: [`${unmetered}: `, "Nothing was forwarded"],
    },
    {
      code: "unauthenticated",
      key: "sk-ant-somebody",
      status: 401,
      what: "a key of somebody else's",
      words: ["not a Tarmac key", "tarmac_pk_"],
    },
    {
      code: "unauthenticated",
      key: newKey({}).secret,
      status: 401,
      what: "a key nobody made",
      words: ["not known here"],
    },
    {
      code: "unknown-agent",
      headers: { "x-tarmac-agent": "nobody" },
      status: 403,
      what: "an agent that is not there",
      words: ['no agent "nobody"', "tarmac apply"],
    },
    {
      code: "unknown-agent",
      field: "x-tarmac-agent",
      headers: { "x-tarmac-agent": "No Such!" },
      status: 403,
      what: "no name of an agent",
      words: ['"No Such!" is no agent'],
    },
    {
      body: chat(surface, 64, { model: "gpt-2" }),
      code: "model-not-in-lane",
      status: 403,
      what: "a model outside the lane",
      words: ["not in the lane of agent", "auto"],
    },
    {
      code: "unpriced",
      key: unpriced.secret,
      status: 403,
      what: "a model without a price",
      words: ["no price", "rates.yaml"],
    },
  ];
}

for (const surface of SURFACES) {
  describe(`the ${surface} surface`, () => {
    for (const { code, field, status, what, words, ...sent } of badInputs(surface)) {
      test(`refuse: ${what} is ${status} ${code}`, async () => {
        const answer = await ask(surface, sent);
        expectRefused(answer, surface, status, code, words);
        // Anthropic's envelope has no place for a field but the message.
        const named = surface === "openai" && field !== undefined ? { param: field } : {};
        expect(vendorErrorOf(answer)).toMatchObject(named);
      });
    }

    test("refuse: a key that is revoked, from the very next call on", async () => {
      const key = newKey({ agent: workspace.agents[surface][0] ?? "" });
      await machine.configure({ changes: [key.change], ws: workspace.ws });
      await untilKnown(machine.gatewayUrl, key.secret);
      expect((await ask(surface, { key: key.secret })).status).toBe(200);
      await machine.configure({ changes: [revoked(key.change)], ws: workspace.ws });
      servedBefore = providers.served.length;
      const answer = await ask(surface, { key: key.secret });
      expectRefused(answer, surface, 401, "unauthenticated", [key.id, "revoked"]);
    });

    test("refuse: a key that speaks for another agent than its own", async () => {
      const key = newKey({ agent: workspace.agents[surface][0] ?? "" });
      await machine.configure({ changes: [key.change], ws: workspace.ws });
      await untilKnown(machine.gatewayUrl, key.secret);
      const answer = await ask(surface, { headers: { "x-tarmac-agent": "cfo" }, key: key.secret });
      expectRefused(answer, surface, 403, "forbidden", [key.id, '"cfo"']);
    });

    test("refuse: a second call under an idempotency key, while the first runs and after it", async () => {
      const headers = { "idempotency-key": randomUUID() };
      providers.control.next({ hold: true });
      const first = ask(surface, { headers });
      await providers.control.untilWaiting(1);
      expectRefused(await ask(surface, { headers }), surface, 409, "in-progress", ["under way"]);
      providers.control.release();
      const authorization = String((await first).headers["x-tarmac-authorization"]);
      servedBefore = providers.served.length;
      const again = await ask(surface, { headers });
      expectRefused(again, surface, 409, "already-settled", [authorization, "settled"]);
      expect(problemOf(again)).toMatchObject({
        authorization,
        receipt: authorization.replace("auth_", "rcpt_"),
      });
    });

    test("forward: a prompt of 30 MB is the provider's to refuse, and costs nothing", async () => {
      const messages = [{ content: "word ".repeat((30 * MEBIBYTE) / 5), role: "user" }];
      const answer = await ask(surface, { body: chat(surface, 64, { messages }) });
      // The prompt is bounded by the model's window, so there is a hold for it; the provider says no.
      expect(answer.status, answer.text.slice(0, 500)).toBe(400);
      expect(vendorErrorOf(answer).message).toMatch(/too long|maximum context length/);
      const id = String(answer.headers["x-tarmac-authorization"]);
      const session = await machine.session();
      const inspected = await session.request(workspace.ws, { authorization: id, kind: "inspect" });
      expect(inspected).toMatchObject({
        authorization: { settled: 0n, state: "voided", still_held: 0n },
        kind: "inspected",
      });
    });
  });
}

/** The same key, no longer in force. */
function revoked(change: ConfigChange): ConfigChange {
  if (change.item !== "key" || change.value === undefined) throw new Error("not a key");
  return { ...change, value: { ...change.value, revoked: true } };
}

test("ledger: bad input leaves no hold behind, and only decisions are entries", async () => {
  const session = await machine.session();
  for (const { ws } of [workspace, unpriced]) {
    await untilClosed(session, ws);
    const audit = await auditLedger(session, readModel, ws);
    const held = [...balancesAfter(audit.entries)].filter(([, leg]) => leg.held !== 0n);
    expect(held).toEqual([]);
    expect(audit.of("expire")).toEqual([]);
    const refused = audit.of("authorize").filter(({ outcome }) => outcome === "hold");
    const reason = ws === unpriced.ws ? "unpriced" : "model-not-in-lane";
    expect(refused.map((entry) => entry.reason)).toEqual(SURFACES.map(() => reason));
  }
});
