// The list of uploads at the foot of every view, and the drop of files anywhere.

import { fill, h } from "./dom.js";
import { bytes, count } from "./format.js";
import { icon } from "./icons.js";
import { addFiles, again, clearEnded, droppedFiles, hasEnded, uploads } from "./uploads.js";

const WORDS = {
  waiting: ["queued", "waiting to be sent"], sending: ["upload", "being sent"], busy: ["queued", "the service is busy, waits"], queued: ["queued", "received, in the queue"],
  processing: ["processing", "being read"], indexed: ["indexed", "indexed"], failed: ["rejected", "not sent"], rejected: ["rejected", "rejected"],
};

/** Opens the system's choice of files. */
export function chooseFiles() {
  const field = h("input", { type: "file", multiple: true, class: "away", "aria-hidden": "true", tabindex: "-1" });
  field.addEventListener("change", () => { addFiles(field.files); field.remove(); });
  field.addEventListener("cancel", () => field.remove());
  document.body.append(field);
  field.click();
}

/** Shows uploads in `place` for as long as the page lives. */
export function mountDock(place) {
  let folded = false;
  const rows = new Map();
  const title = h("span", { role: "status" });
  const fold = h("button", { class: "plain", type: "button", onClick: () => { folded = !folded; draw(uploads.get()); } });
  const list = h("ul", { class: "dock-list" });
  const clear = h("button", { class: "plain", type: "button", onClick: clearEnded }, "Clear");
  const dock = h("section", { class: "dock", "aria-label": "Uploads" }, h("div", { class: "dock-head" }, title, clear, fold), list);

  function draw({ items }) {
    if (items.length === 0) {
      rows.clear();
      list.replaceChildren();
      return place.replaceChildren();
    }
    if (!dock.isConnected) place.append(dock);
    const ended = items.filter(({ phase }) => hasEnded(phase)).length;
    const bad = items.filter(({ phase }) => phase === "failed" || phase === "rejected").length;
    const text = ended < items.length ? `Adding ${count(items.length, "file")}, ${ended} done` : bad ? `${count(items.length - bad, "file")} added, ${bad} not` : `${count(items.length, "file")} added`;
    if (title.textContent !== text) title.textContent = text;
    clear.hidden = ended === 0;
    fill(fold, folded ? "Show" : "Hide");
    fold.setAttribute("aria-expanded", String(!folded));
    list.hidden = folded;
    for (const item of items) {
      if (!rows.has(item.id)) {
        rows.set(item.id, row(item));
        list.append(rows.get(item.id).element);
      }
      rows.get(item.id).update(item);
    }
    for (const [id, { element }] of rows) {
      if (items.some((item) => item.id === id)) continue;
      element.remove();
      rows.delete(id);
    }
    return null;
  }
  uploads.subscribe(draw);
}

function row(item) {
  const state = h("span", { class: "state" });
  const bar = h("progress", { max: "1", "aria-label": `Progress of ${item.name}` });
  const reason = h("p", { class: "quiet" });
  const retry = h("button", { class: "plain", type: "button", onClick: () => again(item.id) }, icon("retry"), "Try again");
  const element = h("li", {}, h("div", { class: "dock-row" }, h("span", { class: "dock-name", title: item.name }, item.name), state), bar, reason, retry);
  let shown = "";
  return {
    element,
    update({ phase, sent, pages, pages_done, reason: why, size }) {
      const [picture, words] = WORDS[phase];
      const detail = phase === "sending" ? `${Math.round(sent * 100)}% of ${bytes(size)}` : phase === "processing" && pages ? (pages_done > 0 ? `page ${Math.min(pages_done, pages)} of ${pages}` : count(pages, "page")) : phase === "indexed" && pages ? count(pages, "page") : "";
      const text = detail ? `${words}, ${detail}` : words;
      if (shown !== phase + text) {
        state.className = `state ${phase === "failed" ? "rejected" : phase}`;
        fill(state, icon(picture), text);
        shown = phase + text;
      }
      bar.hidden = hasEnded(phase);
      if (phase === "sending") bar.value = sent;
      else if (phase === "processing" && pages) bar.value = pages_done / pages;
      else bar.removeAttribute("value");
      reason.hidden = !why || phase === "indexed";
      reason.textContent = why ?? "";
      retry.hidden = phase !== "failed";
    },
  };
}

/** Files may be dropped anywhere. */
export function acceptDrops() {
  let depth = 0;
  const veil = h("div", { class: "veil", "aria-hidden": "true" }, h("p", {}, icon("upload"), "Drop files or folders to add them"));
  const holdsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  addEventListener("dragenter", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    if (depth++ === 0) document.body.append(veil);
  });
  addEventListener("dragover", (event) => { if (holdsFiles(event)) event.preventDefault(); });
  addEventListener("dragleave", (event) => { if (holdsFiles(event) && --depth <= 0) { depth = 0; veil.remove(); } });
  addEventListener("drop", async (event) => {
    depth = 0;
    veil.remove();
    if (!holdsFiles(event)) return;
    event.preventDefault();
    addFiles(await droppedFiles(event.dataTransfer));
  });
}
