import { A } from "@solidjs/router";
import ChevronsUpDown from "lucide-solid/icons/chevrons-up-down";
import LogOut from "lucide-solid/icons/log-out";
import Monitor from "lucide-solid/icons/monitor";
import Moon from "lucide-solid/icons/moon";
import Pause from "lucide-solid/icons/pause";
import Play from "lucide-solid/icons/play";
import Sun from "lucide-solid/icons/sun";
import { For, type JSX, Show } from "solid-js";
import { Dynamic } from "solid-js/web";
import { request } from "../api.ts";
import { LIVE, SIGNED_OUT } from "../links.ts";
import { useLive } from "../live/store.tsx";
import { useSession } from "../session.tsx";
import { Mark } from "../ui/mark.tsx";
import { StandingBadge, useStanding } from "./connection-badge.tsx";
import { chooseTheme, type ThemeChoice, themeChoice } from "./theme.ts";

const ICON_BUTTON =
  "inline-flex size-8 items-center justify-center rounded-md text-muted hover:bg-hover hover:text-text";

export function TopBar(): JSX.Element {
  const live = useLive();
  const standing = useStanding();
  return (
    <header class="flex h-13 shrink-0 items-center gap-2 border-b border-line bg-surface px-3 md:px-4">
      <A
        href={LIVE}
        class="flex items-center gap-2 rounded-md pr-2 text-lg font-semibold tracking-tight md:w-44"
      >
        <Mark />
        <span class="max-md:sr-only">Tarmac</span>
      </A>
      <WorkspaceSwitcher />
      <div class="ml-auto flex items-center gap-1.5">
        <span role="status" class="contents">
          <StandingBadge standing={standing()} />
        </span>
        <button
          type="button"
          class={ICON_BUTTON}
          aria-pressed={live.paused()}
          aria-label={live.paused() ? "Resume live updates" : "Pause live updates"}
          title={live.paused() ? "Resume live updates" : "Pause live updates"}
          onClick={() => (live.paused() ? live.resume() : live.pause())}
        >
          <Show when={live.paused()} fallback={<Pause size={16} />}>
            <Play size={16} />
          </Show>
        </button>
        <ThemeButton />
        <SignOut />
      </div>
    </header>
  );
}

function WorkspaceSwitcher(): JSX.Element {
  const { choose, session, workspace } = useSession();
  return (
    <Show
      when={session().workspaces.length > 1}
      fallback={<span class="min-w-0 truncate font-medium">{workspace().name}</span>}
    >
      <span class="relative inline-flex min-w-0 items-center">
        <select
          aria-label="Workspace"
          class="h-8 min-w-0 max-w-56 appearance-none truncate rounded-md border border-line bg-raised pr-8 pl-2.5 font-medium hover:bg-hover"
          value={workspace().ws}
          onChange={(event) => choose(event.currentTarget.value)}
        >
          <For each={session().workspaces}>
            {({ name, ws }) => (
              <option value={ws} selected={ws === workspace().ws}>
                {name}
              </option>
            )}
          </For>
        </select>
        <ChevronsUpDown
          size={14}
          aria-hidden="true"
          class="pointer-events-none absolute right-2 text-muted"
        />
      </span>
    </Show>
  );
}

const NEXT_THEME: Readonly<Record<ThemeChoice, ThemeChoice>> = {
  dark: "system",
  light: "dark",
  system: "light",
};
const THEME_ICONS = { dark: Moon, light: Sun, system: Monitor } as const;

function ThemeButton(): JSX.Element {
  const says = () => `Theme: ${themeChoice()}. Change to ${NEXT_THEME[themeChoice()]}`;
  return (
    <button
      type="button"
      class={ICON_BUTTON}
      aria-label={says()}
      title={says()}
      onClick={() => chooseTheme(NEXT_THEME[themeChoice()])}
    >
      <Dynamic component={THEME_ICONS[themeChoice()]} size={16} />
    </button>
  );
}

function SignOut(): JSX.Element {
  const { session } = useSession();
  const leave = async () => {
    await request("/api/sign-out", "POST").catch(() => undefined);
    // A whole new page, so that nothing of the session stays in memory.
    window.location.assign(SIGNED_OUT);
  };
  return (
    <button
      type="button"
      class={`${ICON_BUTTON} max-md:hidden`}
      aria-label={`Sign out ${session().name}`}
      title={`${session().name}, ${session().role}. Sign out`}
      onClick={() => void leave()}
    >
      <LogOut size={16} />
    </button>
  );
}
