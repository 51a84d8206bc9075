/** Light or dark: the system's, unless whoever looks has chosen. */
import { createSignal } from "solid-js";

export type Theme = "light" | "dark";
export type ThemeChoice = Theme | "system";

const CHOICE = "tarmac.theme";
const system = window.matchMedia("(prefers-color-scheme: dark)");

function stored(): ThemeChoice {
  const choice = localStorage.getItem(CHOICE);
  return choice === "light" || choice === "dark" ? choice : "system";
}

function resolved(choice: ThemeChoice): Theme {
  if (choice !== "system") return choice;
  return system.matches ? "dark" : "light";
}

const [choice, setChoice] = createSignal<ThemeChoice>(stored());
const [current, setCurrent] = createSignal<Theme>(resolved(stored()));

/** What was chosen. */
export const themeChoice = choice;
/** What is shown. */
export const theme = current;

function apply(): void {
  const next = resolved(choice());
  document.documentElement.dataset["theme"] = next;
  setCurrent(next);
}

export function chooseTheme(next: ThemeChoice): void {
  localStorage.setItem(CHOICE, next);
  setChoice(next);
  apply();
}

/** Before the first paint, and whenever the system changes its mind. */
export function followTheme(): void {
  apply();
  system.addEventListener("change", apply);
}
