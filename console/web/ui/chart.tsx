/**
 * A small wrapper of uPlot: redrawn only when its data are, in the colours of the theme, in the size of
 * its place. A picture for the eye; for everybody else the same figures stand in a table below it.
 */
import { createEffect, createSignal, type JSX, on, onCleanup, onMount } from "solid-js";
import uPlot from "uplot";
import { hourMinute } from "../format.ts";
import { theme } from "../shell/theme.ts";

export interface ChartLine {
  readonly label: string;
  /** Name of a colour token. */
  readonly color: string;
  readonly dash?: number[];
  /** Fills the space under it. */
  readonly filled?: boolean;
}

export interface ChartProps {
  readonly title: string;
  /** What it shows in a sentence. */
  readonly summary: string;
  readonly lines: readonly ChartLine[];
  /** Times in seconds, then the values of each line. */
  readonly data: readonly (readonly number[])[];
  readonly format: (value: number) => string;
  readonly zone: string;
  readonly height: number;
  /** Shown beside the title. */
  readonly legend?: JSX.Element;
}

function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function axisOf(props: ChartProps): uPlot.Axis[] {
  const font = `11px "Inter Variable", sans-serif`;
  const shared = {
    font,
    grid: { stroke: token("line"), width: 1 },
    stroke: token("muted"),
    ticks: { show: false },
  };
  return [
    {
      ...shared,
      grid: { show: false },
      size: 26,
      space: 72,
      values: (_chart, splits) => splits.map((at) => hourMinute(at * 1_000, props.zone)),
    },
    {
      ...shared,
      size: 52,
      space: 28,
      values: (_chart, splits) => splits.map(props.format),
    },
  ];
}

function optionsOf(props: ChartProps, width: number): uPlot.Options {
  const area = (color: string) => `color-mix(in srgb, ${color} 14%, transparent)`;
  return {
    axes: axisOf(props),
    cursor: { drag: { x: false, y: false }, points: { size: 6 }, y: false },
    height: props.height,
    legend: { show: false },
    padding: [8, 8, 0, 0],
    scales: { x: { time: true }, y: { range: (_chart, _low, high) => [0, topOf(high)] } },
    series: [
      {},
      ...props.lines.map(({ label, color, dash, filled }) => ({
        label,
        points: { show: false },
        stroke: token(color),
        width: 1.75,
        ...(dash !== undefined && { dash }),
        ...(filled === true && { fill: area(token(color)) }),
      })),
    ],
    width,
  };
}

/** Money and counts begin at zero, and a line never touches the frame. */
function topOf(high: number | null): number {
  return high === null || high <= 0 ? 1 : high * 1.15;
}

export function Chart(props: ChartProps): JSX.Element {
  const [at, setAt] = createSignal<number | undefined>();
  let place: HTMLDivElement | undefined;
  let chart: uPlot | undefined;

  const draw = () => {
    chart?.destroy();
    if (place === undefined || place.clientWidth === 0) return;
    const options = optionsOf(props, place.clientWidth);
    options.hooks = { setCursor: [({ cursor }) => setAt(cursor.idx ?? undefined)] };
    chart = new uPlot(options, props.data as uPlot.AlignedData, place);
  };
  onMount(() => {
    draw();
    const resize = new ResizeObserver(() => {
      if (place === undefined) return;
      if (chart === undefined) draw();
      else chart.setSize({ height: props.height, width: place.clientWidth });
    });
    if (place !== undefined) resize.observe(place);
    onCleanup(() => {
      resize.disconnect();
      chart?.destroy();
    });
  });
  createEffect(on([theme, () => props.zone], draw, { defer: true }));
  createEffect(
    on(
      () => props.data,
      (data) => chart?.setData(data as uPlot.AlignedData),
    ),
  );

  /** Moves the cursor by keys, for who has no mouse. */
  const step = (event: KeyboardEvent) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const times = props.data[0] ?? [];
    if (by === undefined || chart === undefined || times.length === 0) return;
    event.preventDefault();
    const index = Math.min(times.length - 1, Math.max(0, (at() ?? times.length) + by));
    chart.setCursor({ left: chart.valToPos(times[index] as number, "x"), top: 0 });
  };
  const reading = () => {
    const index = at();
    const time = index === undefined ? undefined : props.data[0]?.[index];
    if (index === undefined || time === undefined) return "";
    const values = props.lines.map(
      ({ label }, line) => `${label} ${props.format(props.data[line + 1]?.[index] ?? 0)}`,
    );
    return `${hourMinute(time * 1_000, props.zone)}  ${values.join("  ")}`;
  };

  return (
    <figure class="min-w-0 rounded-lg border border-line bg-canvas">
      <figcaption class="flex min-h-9 flex-wrap items-center justify-between gap-x-4 px-4 pt-2">
        <span class="font-semibold">{props.title}</span>
        <span class="figures text-xs text-muted" aria-live="off">
          {reading() === "" ? props.legend : reading()}
        </span>
      </figcaption>
      <div
        ref={(element) => {
          place = element;
        }}
        role="img"
        tabindex="0"
        aria-label={`${props.title}. ${props.summary}`}
        class="px-1 pb-1"
        onKeyDown={step}
        onBlur={() => setAt(undefined)}
      />
    </figure>
  );
}
