import Check from "lucide-solid/icons/check";
import CircleDashed from "lucide-solid/icons/circle-dashed";
import LoaderCircle from "lucide-solid/icons/loader-circle";
import ShieldAlert from "lucide-solid/icons/shield-alert";
import ShieldCheck from "lucide-solid/icons/shield-check";
import X from "lucide-solid/icons/x";
import { createEffect, createSignal, For, type JSX, Match, on, Show, Switch } from "solid-js";
import type { ConsistencyProof, ReceiptProof } from "../../../wire.ts";
import { query, request } from "../../api.ts";
import { NoCryptography, verifyEd25519, withSha256 } from "../../proof/digests.ts";
import { forget, type KnownLog, recall, remember } from "../../proof/known-log.ts";
import {
  type Fault,
  type Step,
  type StepName,
  type Verification,
  verifyReceipt,
} from "../../proof/verify-receipt.ts";
import { Panel } from "../../ui/panel.tsx";
import { Notice } from "../../ui/states.tsx";

/** Between two steps, so that they can be seen one by one, in ms. */
const STEP_MS = 140;

const TITLES: Readonly<Record<StepName, string>> = {
  bytes: "The entry's bytes",
  history: "The log goes on from what was seen before",
  key: "The key is one that this browser knows",
  leaf: "Bytes become the leaf of a tree",
  path: "The path leads to the root",
  signature: "The root is signed",
};
const ORDER: readonly StepName[] = ["bytes", "leaf", "path", "signature", "key", "history"];

const VERDICTS: Readonly<Record<Fault, string>> = {
  "cut-back": "The log was cut back",
  "entry-changed": "The entry was changed",
  forked: "The log was forked",
  "proof-wrong": "The proof is wrong",
  "signature-wrong": "The signature is wrong",
  "unknown-key": "The key is unknown",
};
/** When several are so, the first of these is what it comes to. */
const GRAVITY: readonly Fault[] = [
  "signature-wrong",
  "unknown-key",
  "entry-changed",
  "proof-wrong",
  "forked",
  "cut-back",
];

/** Checks the receipt in this browser and shows each step as it is done. */
export function ReceiptVerification(props: {
  readonly receipt: ReceiptProof;
  readonly recordedHash: string | undefined;
  readonly onAgain: () => void;
}): JSX.Element {
  const [steps, setSteps] = createSignal<readonly Step[]>([]);
  const [result, setResult] = createSignal<Verification | undefined>();
  const [failure, setFailure] = createSignal<string | undefined>();
  let run = 0;

  const verify = async () => {
    run += 1;
    const mine = run;
    setSteps([]);
    setResult(undefined);
    setFailure(undefined);
    try {
      const verification = await check(props.receipt, props.recordedHash);
      for (const step of verification.steps) {
        if (mine !== run) return;
        setSteps((done) => [...done, step]);
        await new Promise((resolve) => setTimeout(resolve, STEP_MS));
      }
      if (mine !== run) return;
      setResult(verification);
      if (verification.known !== undefined) remember(props.receipt.ws, verification.known);
    } catch (cause) {
      if (mine === run) setFailure(cause instanceof NoCryptography ? cause.message : String(cause));
    }
  };
  createEffect(on([() => props.receipt, () => props.recordedHash], () => void verify()));

  const step = (name: StepName) => steps().find((one) => one.name === name);
  const running = (name: StepName) =>
    result() === undefined && failure() === undefined && ORDER[steps().length] === name;
  return (
    <Panel title="Verified in this browser" note="nothing here is taken on the server's word">
      <div class="border-b border-line p-4">
        <Verdict result={result()} failure={failure()} />
      </div>
      <ol class="px-4 py-2">
        <For each={ORDER}>
          {(name) => <StepRow name={name} step={step(name)} running={running(name)} />}
        </For>
      </ol>
      <div class="flex flex-wrap items-center gap-2 border-t border-line px-4 py-3">
        <button type="button" class="button" onClick={() => props.onAgain()}>
          Load and verify again
        </button>
        <Show when={faultOf(result()) === "unknown-key" && signers(steps()).length > 0}>
          <AcceptKey ws={props.receipt.ws} vkeys={signers(steps())} onDone={() => void verify()} />
        </Show>
        <Memory ws={props.receipt.ws} shown={result()} onForgotten={() => void verify()} />
      </div>
    </Panel>
  );
}

function check(receipt: ReceiptProof, recordedHash: string | undefined): Promise<Verification> {
  const { checkpoint, proof } = receipt;
  return verifyReceipt(
    {
      ...receipt,
      checkpoint: checkpoint ?? "",
      known: recall(receipt.ws),
      proof: proof ?? "",
      recordedHash,
    },
    {
      consistency: async (from, to) => {
        const path = `/api/workspaces/${encodeURIComponent(receipt.ws)}/consistency`;
        const search = query({ from: from.toString(), to: to.toString() });
        return (await request<ConsistencyProof>(`${path}${search}`)).path;
      },
      now: () => new Date().toISOString(),
      onStep: () => undefined,
      verify: verifyEd25519,
      withSha256,
    },
  );
}

function faultOf(result: Verification | undefined): Fault | undefined {
  return GRAVITY.find((fault) => result?.steps.some((step) => step.fault === fault));
}

/** Keys that signed, as a step has shown them. */
function signers(steps: readonly Step[]): string[] {
  const key = steps.find(({ name }) => name === "key");
  return (key?.compared ?? []).flatMap(([label, value]) => (label === "signed by" ? [value] : []));
}

function Verdict(props: {
  readonly result: Verification | undefined;
  readonly failure: string | undefined;
}): JSX.Element {
  const fault = () => faultOf(props.result);
  const open = () => props.result?.steps.some(({ state }) => state === "open") === true;
  return (
    <div aria-live="polite" data-verdict={verdictOf(props.result, props.failure)}>
      <Switch fallback={<p class="text-base text-muted">Verifying…</p>}>
        <Match when={props.failure}>
          {(says) => (
            <Notice tone="warn">
              <strong class="font-semibold">Not verified.</strong> {says()}
            </Notice>
          )}
        </Match>
        <Match when={fault()}>
          {(found) => (
            <p class="flex items-center gap-2.5 text-lg font-semibold text-bad">
              <ShieldAlert size={22} aria-hidden="true" />
              {VERDICTS[found()]}
            </p>
          )}
        </Match>
        <Match when={props.result !== undefined && open()}>
          <p class="flex items-center gap-2.5 text-lg font-semibold text-throttle">
            <CircleDashed size={22} aria-hidden="true" />
            Not all of it could be checked
          </p>
        </Match>
        <Match when={props.result}>
          <p class="flex items-center gap-2.5 text-lg font-semibold text-ok">
            <ShieldCheck size={22} aria-hidden="true" />
            This receipt is genuine
          </p>
        </Match>
      </Switch>
    </div>
  );
}

/** For tests and stylesheets: what it came to in one word. */
function verdictOf(result: Verification | undefined, failure: string | undefined): string {
  if (failure !== undefined) return "not-verified";
  if (result === undefined) return "running";
  const open = result.steps.some(({ state }) => state === "open");
  return faultOf(result) ?? (open ? "open" : "genuine");
}

function StepRow(props: {
  readonly name: StepName;
  readonly step: Step | undefined;
  readonly running: boolean;
}): JSX.Element {
  return (
    <li
      class="grid grid-cols-[1.5rem_1fr] gap-x-2 py-2"
      data-step={props.name}
      data-state={props.step?.state ?? "waiting"}
    >
      <StepIcon step={props.step} running={props.running} />
      <div class="min-w-0">
        <p class={props.step === undefined ? "text-muted" : "font-medium"}>{TITLES[props.name]}</p>
        <Show when={props.step}>
          {(step) => (
            <>
              <p class={step().state === "bad" ? "text-bad" : "text-muted"}>{step().says}</p>
              <Show when={step().compared.length > 0}>
                <dl class="mt-1.5 grid grid-cols-1 gap-x-4 gap-y-0.5 text-xs sm:grid-cols-[11rem_1fr]">
                  <For each={step().compared}>
                    {([label, value]) => (
                      <>
                        <dt class="text-muted">{label}</dt>
                        <dd class="min-w-0 font-mono break-all">{value}</dd>
                      </>
                    )}
                  </For>
                </dl>
              </Show>
            </>
          )}
        </Show>
      </div>
    </li>
  );
}

function StepIcon(props: {
  readonly step: Step | undefined;
  readonly running: boolean;
}): JSX.Element {
  return (
    <span class="mt-0.5">
      <Switch fallback={<CircleDashed size={16} class="text-control" aria-label="not yet" />}>
        <Match when={props.running}>
          <LoaderCircle size={16} class="animate-spin text-muted" aria-label="being checked" />
        </Match>
        <Match when={props.step?.state === "good"}>
          <Check size={16} stroke-width={3} class="text-ok" aria-label="holds" />
        </Match>
        <Match when={props.step?.state === "bad"}>
          <X size={16} stroke-width={3} class="text-bad" aria-label="fails" />
        </Match>
      </Switch>
    </span>
  );
}

/** Accepting another key is a decision of whoever looks, and never the page's. */
function AcceptKey(props: {
  readonly ws: string;
  readonly vkeys: readonly string[];
  readonly onDone: () => void;
}): JSX.Element {
  const [asked, setAsked] = createSignal(false);
  const accept = () => {
    const before = recall(props.ws);
    const known: KnownLog = {
      checkpoint: before?.checkpoint,
      since: before?.since ?? new Date().toISOString(),
      vkeys: [...(before?.vkeys ?? []), ...props.vkeys],
    };
    remember(props.ws, known);
    props.onDone();
  };
  return (
    <Show
      when={asked()}
      fallback={
        <button type="button" class="button" onClick={() => setAsked(true)}>
          Accept the new key…
        </button>
      }
    >
      <span class="text-bad">Only if whoever runs this log told you of it.</span>
      <button type="button" class="button" onClick={accept}>
        Accept it
      </button>
      <button type="button" class="button" onClick={() => setAsked(false)}>
        Leave it
      </button>
    </Show>
  );
}

function Memory(props: {
  readonly ws: string;
  readonly shown: Verification | undefined;
  readonly onForgotten: () => void;
}): JSX.Element {
  const known = () => {
    // Asked anew whenever a verification has ended.
    void props.shown;
    return recall(props.ws);
  };
  return (
    <Show when={known()}>
      {(log) => (
        <span class="ml-auto flex flex-wrap items-center gap-x-2 text-xs text-muted">
          This browser has known this log since {log().since.slice(0, 10)}.
          <button
            type="button"
            class="link min-h-6"
            onClick={() => {
              forget(props.ws);
              props.onForgotten();
            }}
          >
            Forget it
          </button>
        </span>
      )}
    </Show>
  );
}
