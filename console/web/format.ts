/**
 * The only place where an amount, a time or a count becomes text. Amounts come as decimal strings of
 * nano-USD and stay whole numbers until they are text: no float is ever money.
 */
import { formatUsd, NANO_PER_CENT, NANO_PER_USD, type NanoUsd } from "../../ledger/money.ts";

/** An amount as it came over the wire, or as it was added up here. */
export type Amount = string | bigint;

/** Nano-USD in one millionth of a dollar: the finest step in which a single decision is shown. */
const NANO_PER_MICRO = 1_000n;
const MINUS = "\u2212";
const NO_BREAK_SPACE = "\u00a0";

const whole = (amount: Amount): bigint => (typeof amount === "bigint" ? amount : BigInt(amount));
const magnitudeOf = (value: bigint): bigint => (value < 0n ? -value : value);

/** `1234567` as `1,234,567`. */
function grouped(digits: string): string {
  return digits.replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Rounds to a multiple of `step`, halves away from zero, as a person rounds. */
function rounded(magnitude: bigint, step: bigint): bigint {
  return ((magnitude + step / 2n) / step) * step;
}

function fixed(magnitude: bigint, decimals: number): string {
  const fraction = (magnitude % NANO_PER_USD).toString().padStart(9, "0").slice(0, decimals);
  return `$${grouped((magnitude / NANO_PER_USD).toString())}.${fraction}`;
}

/** What is there but smaller than the last digit is never shown as nothing. */
function tooSmall(value: bigint, least: string): string {
  return value < 0n ? `>${MINUS}${least}` : `<${least}`;
}

/** A total: two decimals, and `<$0.01` for what is there but less than a cent. */
export function money(amount: Amount): string {
  const value = whole(amount);
  const magnitude = magnitudeOf(value);
  if (magnitude !== 0n && magnitude < NANO_PER_CENT) return tooSmall(value, "$0.01");
  return `${value < 0n ? MINUS : ""}${fixed(rounded(magnitude, NANO_PER_CENT), 2)}`;
}

/** A single decision's amount in six decimals, divided where only zeros follow, so that they can recede. */
export function moneyParts(amount: Amount): { readonly digits: string; readonly zeros: string } {
  const value = whole(amount);
  const magnitude = magnitudeOf(value);
  if (magnitude !== 0n && magnitude < NANO_PER_MICRO) {
    return { digits: tooSmall(value, "$0.000001"), zeros: "" };
  }
  const text = fixed(rounded(magnitude, NANO_PER_MICRO), 6);
  const digits = text.replace(/0{1,4}$/, "");
  return { digits: `${value < 0n ? MINUS : ""}${digits}`, zeros: text.slice(digits.length) };
}

/** A single decision's amount: two to six decimals, and `<$0.000001` for what is smaller. */
export function moneyOfOne(amount: Amount): string {
  return moneyParts(amount).digits;
}

/** Every digit there is: `$1,234.500000001`. For hover and copy. */
export function exactMoney(amount: Amount): string {
  const value = whole(amount);
  const [units = "0", fraction = "00"] = formatUsd(magnitudeOf(value) as NanoUsd).split(".");
  return `${value < 0n ? MINUS : ""}$${grouped(units)}.${fraction}`;
}

/** Adds amounts exactly. */
export function sumOf(amounts: readonly Amount[]): bigint {
  return amounts.reduce<bigint>((sum, amount) => sum + whole(amount), 0n);
}

/** For a chart's axis and nothing else: dollars as a float. */
export function chartDollars(amount: Amount): number {
  return Number(whole(amount)) / 1e9;
}

/** An axis mark: `$0`, `$0.25`, `$12`, `$1.5k`. */
export function axisDollars(dollars: number): string {
  if (dollars === 0) return "$0";
  const magnitude = Math.abs(dollars);
  if (magnitude >= 1_000_000) return `$${trimmed(dollars / 1_000_000)}M`;
  if (magnitude >= 1_000) return `$${trimmed(dollars / 1_000)}k`;
  return magnitude >= 1 ? `$${trimmed(dollars)}` : `$${Number(dollars.toPrecision(2))}`;
}

function trimmed(value: number): string {
  return value.toFixed(2).replace(/\.?0+$/, "");
}

/** `part` of `of` as a whole percentage; more than nothing is at least 1, less than all at most 99. */
export function percentOf(part: Amount, of: Amount): string {
  const [numerator, denominator] = [whole(part), whole(of)];
  if (denominator <= 0n) return numerator > 0n ? `over${NO_BREAK_SPACE}100%` : "0%";
  const percent = (numerator * 100n) / denominator;
  if (numerator > 0n && percent === 0n) return "<1%";
  return `${percent}%`;
}

/** How much of a limit is used, in thousandths from 0 to 1000: the width of a meter. */
export function meterThousandths(used: Amount, limit: Amount): number {
  const [numerator, denominator] = [whole(used), whole(limit)];
  if (denominator <= 0n) return 1_000;
  const thousandths = (numerator * 1_000n) / denominator;
  return Number(thousandths > 1_000n ? 1_000n : thousandths < 0n ? 0n : thousandths);
}

/** A pace or share in basis points: `9050` as `90.5%`. */
export function basisPoints(points: string | bigint): string {
  const value = whole(points);
  const tenths = (value + 5n) / 10n;
  return `${grouped((tenths / 10n).toString())}${tenths % 10n === 0n ? "" : `.${tenths % 10n}`}%`;
}

/** `1,204`. */
export function count(value: number | bigint): string {
  const digits = typeof value === "bigint" ? value.toString() : Math.round(value).toString();
  return digits.startsWith("-") ? `${MINUS}${grouped(digits.slice(1))}` : grouped(digits);
}

/** A count with its word: `1 agent`, `1,204 agents`. */
export function counted(value: number, word: string): string {
  return `${count(value)} ${word}${value === 1 ? "" : "s"}`;
}

/** A rate of decisions: one decimal below ten, so that a slow stream does not read as none. */
export function perSecond(rate: number): string {
  if (rate === 0) return "0";
  if (rate < 0.1) return "<0.1";
  return rate < 10 ? rate.toFixed(1) : count(rate);
}

/** How long ago, in words that fit a badge: `3 s`, `4 min`, `2 h`, `5 d`. */
export function age(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1_000));
  if (seconds < 60) return `${seconds}${NO_BREAK_SPACE}s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}${NO_BREAK_SPACE}min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)}${NO_BREAK_SPACE}h`;
  return `${Math.floor(seconds / 86_400)}${NO_BREAK_SPACE}d`;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatIn(zone: string, style: string, options: Intl.DateTimeFormatOptions) {
  const key = `${style} ${zone}`;
  let format = formats.get(key);
  if (format === undefined) {
    format = new Intl.DateTimeFormat("en-GB", { ...options, hourCycle: "h23", timeZone: zone });
    formats.set(key, format);
  }
  return format;
}

const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit" } as const;

/** Time of day to the millisecond: `12:04:31.204`. Its zone stands at the head of the column. */
export function clock(at: string, zone: string): string {
  const format = formatIn(zone, "clock", { ...CLOCK, fractionalSecondDigits: 3 });
  return format.format(new Date(at));
}

/** Hours and minutes, for a chart's axis: `12:04`. */
export function hourMinute(atMs: number, zone: string): string {
  return formatIn(zone, "axis", { hour: "2-digit", minute: "2-digit" }).format(new Date(atMs));
}

/** The whole instant with its zone: `22 Nov 2026, 12:04:31 CET`. */
export function instant(at: string, zone: string): string {
  const options = { day: "numeric", month: "short", year: "numeric" } as const;
  return formatIn(zone, "instant", { ...options, ...CLOCK, timeZoneName: "short" }).format(
    new Date(at),
  );
}

/** The short name of a zone at a time: `CET`, `UTC`, `GMT-3`. */
export function zoneName(zone: string, atMs: number): string {
  const parts = formatIn(zone, "name", { timeZoneName: "short" }).formatToParts(new Date(atMs));
  return parts.find(({ type }) => type === "timeZoneName")?.value ?? zone;
}

/** A period key as people say it: `2026-11@Europe/Berlin` as `Nov 2026`, `2026@UTC` as `2026`. */
export function periodName(period: string): string {
  const [, year = "", month] = /^(\d{4})(?:-(\d{2}))?@/.exec(period) ?? [];
  if (year === "") return period.startsWith("auth_") ? "this call" : period;
  if (month === undefined) return year;
  return formatIn("UTC", "month", { month: "short", year: "numeric" }).format(
    new Date(`${year}-${month}-01T00:00:00Z`),
  );
}

/** An id cut in its middle: both ends are what people compare. */
export function shortId(id: string): string {
  return id.length <= 20 ? id : `${id.slice(0, 13)}…${id.slice(-4)}`;
}
