import { A } from "@solidjs/router";
import Activity from "lucide-solid/icons/activity";
import Bot from "lucide-solid/icons/bot";
import Server from "lucide-solid/icons/server";
import { For, type JSX } from "solid-js";
import { Dynamic } from "solid-js/web";
import { AGENTS, LIVE, NODES } from "../links.ts";

const SECTIONS = [
  {
    title: "Operations",
    pages: [
      { href: LIVE, icon: Activity, name: "Live" },
      { href: AGENTS, icon: Bot, name: "Agents" },
      { href: NODES, icon: Server, name: "Nodes" },
    ],
  },
] as const;

/** The pages by section: at the side of a wide screen, across the top of a narrow one. */
export function Sidebar(props: { readonly version: string }): JSX.Element {
  return (
    <nav
      aria-label="Pages"
      class="flex shrink-0 border-line bg-surface max-md:border-b max-md:px-2 md:w-52 md:flex-col md:border-r md:px-3 md:py-4"
    >
      <For each={SECTIONS}>
        {(section) => (
          <div class="max-md:contents">
            <p class="px-2 pb-1.5 text-2xs font-semibold tracking-wider text-muted uppercase max-md:sr-only">
              {section.title}
            </p>
            <ul class="flex gap-0.5 max-md:flex-row md:flex-col">
              <For each={section.pages}>
                {({ href, icon, name }) => (
                  <li>
                    <A
                      href={href}
                      class="flex h-9 items-center gap-2.5 px-2 font-medium max-md:border-b-2 max-md:px-3 md:rounded-md"
                      activeClass="text-text max-md:border-text md:bg-hover"
                      inactiveClass="border-transparent text-muted hover:text-text md:hover:bg-hover"
                    >
                      <Dynamic component={icon} size={16} aria-hidden="true" />
                      {name}
                    </A>
                  </li>
                )}
              </For>
            </ul>
          </div>
        )}
      </For>
      <p class="figures mt-auto px-2 text-2xs text-muted max-md:hidden">Tarmac {props.version}</p>
    </nav>
  );
}
