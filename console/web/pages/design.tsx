/** Every component in every state, side by side: to look at, and for the browser tests to photograph. */
import { A } from "@solidjs/router";
import { For, type JSX } from "solid-js";
import type { Outcome, Priority, Tier } from "../../wire.ts";
import { ApiProblem } from "../api.ts";
import { LIVE } from "../links.ts";
import { type Standing, StandingBadge, StandingBanner } from "../shell/connection-badge.tsx";
import { Chart } from "../ui/chart.tsx";
import { CopyButton } from "../ui/copy-button.tsx";
import { LimitText, Meter } from "../ui/meter.tsx";
import { Money, MoneyOfOne } from "../ui/money.tsx";
import { OutcomeMark } from "../ui/outcome.tsx";
import { Fact, Panel } from "../ui/panel.tsx";
import { PriorityMark, TierMark } from "../ui/rank.tsx";
import { Empty, EmptyByFilter, Failed, Forbidden, Loading, Notice } from "../ui/states.tsx";
import { Clock, Instant } from "../ui/time.tsx";

const OUTCOMES: readonly Outcome[] = ["admit", "throttle", "hold"];
const PRIORITIES: readonly Priority[] = ["P0", "P1", "P2", "P3"];
const TIERS: readonly Tier[] = ["S", "M", "L", "XL"];
const STANDINGS: readonly Standing[] = [
  { kind: "live" },
  { kind: "connecting" },
  { backlog: 0, kind: "paused" },
  { backlog: 1_204, kind: "paused" },
  { kind: "stale", silentMs: 9_000 },
  { kind: "behind", silentMs: 1_000 },
  { kind: "reconnecting", silentMs: 74_000 },
  { kind: "signed-out" },
];
/** Nano-USD: nothing, less than can be shown, a cent and less, a call, totals, a correction. */
const AMOUNTS = [
  "0",
  "1",
  "950",
  "9999999",
  "34210001",
  "612104250000",
  "41284113402118",
  "-1250000000",
];
const COLORS = [
  "canvas surface raised hover line control",
  "text muted accent info ok bad",
  "admit throttle hold",
].map((row) => row.split(" "));
const SWATCHES: Readonly<Record<string, string>> = {
  accent: "bg-accent",
  admit: "bg-admit",
  bad: "bg-bad",
  canvas: "bg-canvas",
  control: "bg-control",
  hold: "bg-hold",
  hover: "bg-hover",
  info: "bg-info",
  line: "bg-line",
  muted: "bg-muted",
  ok: "bg-ok",
  raised: "bg-raised",
  surface: "bg-surface",
  text: "bg-text",
  throttle: "bg-throttle",
};
const AT = "2026-11-22T11:04:31.204Z";
/** Twelve steps of 5 s, so that a picture of this page is the same every day. */
const TIMES = Array.from({ length: 60 }, (_, index) => Date.parse(AT) / 1_000 - (60 - index) * 5);
const wave = (height: number, length: number) =>
  TIMES.map((_, index) => height * (1 + Math.sin(index / length)));

export default function DesignPage(): JSX.Element {
  return (
    <main class="mx-auto flex max-w-6xl flex-col gap-4 p-3 md:p-6">
      <header class="flex flex-wrap items-baseline justify-between gap-2">
        <h1>Design</h1>
        <A href={LIVE} class="link">
          To the console
        </A>
      </header>
      <Marks />
      <Figures />
      <Charts />
      <States />
    </main>
  );
}

function Row(props: { readonly name: string; readonly children: JSX.Element }): JSX.Element {
  return (
    <div class="flex flex-wrap items-center gap-x-4 gap-y-2 border-b border-line px-4 py-3 last:border-b-0">
      <span class="column-label w-28">{props.name}</span>
      {props.children}
    </div>
  );
}

function Marks(): JSX.Element {
  return (
    <Panel title="Marks" note="told apart by shape and word as well as colour">
      <Row name="Outcome">
        <For each={OUTCOMES}>{(outcome) => <OutcomeMark outcome={outcome} />}</For>
      </Row>
      <Row name="Priority">
        <For each={PRIORITIES}>{(priority) => <PriorityMark priority={priority} />}</For>
      </Row>
      <Row name="Tier">
        <For each={TIERS}>{(tier) => <TierMark tier={tier} />}</For>
      </Row>
      <Row name="Connection">
        <For each={STANDINGS}>{(standing) => <StandingBadge standing={standing} />}</For>
      </Row>
      <Row name="Buttons">
        <button type="button" class="button">
          Ordinary
        </button>
        <button type="button" class="button button-strong">
          Strong
        </button>
        <button type="button" class="button" disabled>
          Disabled
        </button>
        <CopyButton text="copied" what="an example" />
        <CopyButton text="copied" what="an example" label="Copy" />
        <a class="link" href="/design">
          The design page
        </a>
      </Row>
      <Row name="Fields">
        <input class="field" aria-label="Example of a text field" placeholder="Filter" />
        <select class="field" aria-label="Example of a choice">
          <option>All agents</option>
        </select>
        <span class="chip">chip</span>
      </Row>
      <For each={COLORS}>
        {(colors) => (
          <Row name="Colours">
            <For each={colors}>
              {(color) => (
                <span class="inline-flex items-center gap-2 text-xs">
                  <span class={`size-6 rounded-md border border-line ${SWATCHES[color]}`} />
                  {color}
                </span>
              )}
            </For>
          </Row>
        )}
      </For>
    </Panel>
  );
}

function Figures(): JSX.Element {
  return (
    <Panel title="Figures" note="hovering shows, and copying takes, the exact amount">
      <Row name="Total">
        <For each={AMOUNTS}>{(amount) => <Money amount={amount} />}</For>
      </Row>
      <Row name="One decision">
        <For each={AMOUNTS}>{(amount) => <MoneyOfOne amount={amount} />}</For>
      </Row>
      <Row name="Time">
        <Clock at={AT} zone="Europe/Berlin" />
        <Instant at={AT} zone="Europe/Berlin" />
        <Instant at={AT} zone="America/Sao_Paulo" />
        <Instant at={AT} zone="UTC" />
      </Row>
      <Row name="Limit">
        <For each={[12n, 68n, 97n, 100n, 140n]}>
          {(percent) => (
            <span class="flex w-32 flex-col gap-1">
              <Meter label="Example" settled={percent * 90n} held={percent * 10n} limit={10_000n} />
              <span class="text-xs text-muted">{String(percent)}%</span>
            </span>
          )}
        </For>
      </Row>
      <Row name="Limit in words">
        <LimitText limit="60000000000000" />
        <LimitText limit={undefined} />
        <LimitText limit={undefined} unknown />
        <LimitText limit="0" />
      </Row>
      <dl class="grid grid-cols-2 gap-4 p-4 md:grid-cols-4">
        <Fact name="A fact">with its name above</Fact>
        <Fact name="A long one">
          <code class="font-mono text-xs break-all">
            5f3c1a0be77d4d0c9a1f5f3c1a0be77d4d0c9a1f5f3c1a0be77d4d0c9a1f0000
          </code>
        </Fact>
      </dl>
    </Panel>
  );
}

function Charts(): JSX.Element {
  return (
    <div class="grid gap-4 lg:grid-cols-2">
      <Chart
        title="With figures"
        summary="Three lines told apart by stroke and colour."
        lines={[
          { color: "admit", label: "admit" },
          { color: "throttle", dash: [6, 3], label: "throttle" },
          { color: "hold", dash: [2, 3], label: "hold" },
        ]}
        data={[TIMES, wave(40, 5), wave(12, 8), wave(4, 3)]}
        format={String}
        zone="UTC"
        height={140}
      />
      <Chart
        title="Nothing yet"
        summary="No value in this time."
        lines={[{ color: "info", filled: true, label: "burn" }]}
        data={[TIMES, TIMES.map(() => 0)]}
        format={String}
        zone="UTC"
        height={140}
      />
    </div>
  );
}

function States(): JSX.Element {
  const nothing = () => undefined;
  const problem = new ApiProblem(
    "postgres-unavailable",
    "Postgres does not answer. Nothing is lost: the journal goes on.",
    "err_019aa5e17c00",
  );
  return (
    <>
      <StandingBanner standing={{ kind: "stale", silentMs: 9_000 }} />
      <StandingBanner standing={{ kind: "reconnecting", silentMs: 74_000 }} />
      <StandingBanner standing={{ kind: "behind", silentMs: 1_000 }} />
      <Notice tone="info">For your information: a simulator answered this call.</Notice>
      <Notice tone="ok">It held.</Notice>
      <Notice tone="warn">Partial: 3 of 4 shards answered, so these figures lack the rest.</Notice>
      <div class="grid gap-4 md:grid-cols-2">
        <Panel title="Loading">
          <Loading what="an example" />
        </Panel>
        <Panel title="Empty">
          <Empty title="No decision yet">The first call shows up here within a second.</Empty>
        </Panel>
        <Panel title="Empty by filter">
          <EmptyByFilter what="decisions" onClear={nothing} />
        </Panel>
        <Panel title="Forbidden">
          <Forbidden>Your role is viewer. Ask an admin of this workspace.</Forbidden>
        </Panel>
        <Panel title="Error, with an id and a retry">
          <Failed problem={problem} onRetry={nothing} />
        </Panel>
        <Panel title="Error, without an answer">
          <Failed
            problem={new ApiProblem("unreachable", "The console's server does not answer.")}
            onRetry={nothing}
          />
        </Panel>
        <Panel title="Stale: without colour, with its age above">
          <div class="out-of-date flex flex-col gap-2 p-4">
            <OutcomeMark outcome="admit" />
            <MoneyOfOne amount="34210001" />
          </div>
        </Panel>
      </div>
    </>
  );
}
