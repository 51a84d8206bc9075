import Download from "lucide-solid/icons/download";
import { type JSX, Show } from "solid-js";
import type { ReceiptProof } from "../../../wire.ts";
import { CopyButton } from "../../ui/copy-button.tsx";
import { Panel } from "../../ui/panel.tsx";

/** What one takes along to check it without us: the proof as a file, the key, and the command. */
export function TakeAway(props: { readonly receipt: ReceiptProof }): JSX.Element {
  const file = () => `${props.receipt.receipt}.tlog-proof`;
  const vkey = () => props.receipt.vkeys[0];
  const command = () => `npx tarmac verify ${file()} --vkey '${vkey() ?? "V"}'`;
  const download = () => {
    const bytes = new Blob([props.receipt.proof ?? ""], { type: "text/plain" });
    const url = URL.createObjectURL(bytes);
    const link = document.createElement("a");
    link.href = url;
    link.download = file();
    link.click();
    URL.revokeObjectURL(url);
  };
  return (
    <Panel title="Take it along" note="checked anywhere, without this server">
      <div class="flex flex-col gap-3 p-4">
        <div class="flex flex-wrap gap-2">
          <button type="button" class="button button-strong" onClick={download}>
            <Download size={15} aria-hidden="true" /> Download the proof
          </button>
          <Show when={vkey()}>
            {(key) => <CopyButton text={key()} what="the verifier key" label="Copy the key" />}
          </Show>
        </div>
        <div class="flex items-center justify-between gap-2 rounded-md border border-line bg-surface py-2 pr-2 pl-3">
          <code class="min-w-0 font-mono text-xs break-all">{command()}</code>
          <CopyButton text={command()} what="the command" />
        </div>
        <p class="text-xs text-muted">
          The file holds the entry, its path, and the signed checkpoint. Take the key from somewhere
          else than this page if you can: whoever forges a log also forges its key.
        </p>
      </div>
    </Panel>
  );
}
