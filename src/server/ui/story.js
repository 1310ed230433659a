// A document's story, at the side: what it is, what happened to it, and what can be done.

import { Problem, getJson } from "./api.js";
import { fill, h } from "./dom.js";
import { bytes, count, fileName, moment } from "./format.js";
import { icon } from "./icons.js";
import { askAddress, readAddress } from "./routes.js";
import { STATES, canCancel, canRetry, pagesElement, reasonOf, stateElement } from "./states.js";

/** `act(name, document)`: retry, cancel or delete; `onClose()`. */
export function storyPanel({ act, onClose }) {
  const element = h("aside", { class: "story", "aria-label": "Story of a document", tabindex: "-1", hidden: true });
  let shown = null;

  function draw({ document, events }) {
    const name = document.title || fileName(document.source);
    const why = reasonOf(document);
    const button = (picture, label, run) => h("button", { class: "outline", type: "button", onClick: run }, icon(picture), label);
    fill(element,
      h("div", { class: "story-head" }, h("h2", {}, name), h("button", { class: "plain round", type: "button", "aria-label": "Close the story", title: "Close (Esc)", onClick: close }, icon("close"))),
      h("p", {}, stateElement(document)),
      why && h("p", { class: "story-why" }, why.what, " ", h("strong", {}, why.remedy)),
      h("div", { class: "row story-do" },
        document.page_count > 0 && h("a", { class: "button outline", href: readAddress(document.document_id, 1) }, icon("documents"), "Read"),
        document.page_count > 0 && h("a", { class: "button outline", href: askAddress({ question: "", document: document.document_id }) }, icon("ask"), "Ask only this"),
        canRetry(document) && button("retry", "Try again", () => act("retry", document)),
        canCancel(document) && button("stop", "Cancel", () => act("cancel", document)),
        document.state !== "deleting" && button("trash", "Delete", () => { close(); act("delete", document); })),
      h("dl", { class: "story-facts" }, facts(document).map(([term, what]) => h("div", {}, h("dt", {}, term), h("dd", {}, what)))),
      document.notes?.length > 0 && h("div", {}, h("h3", {}, "Notes"), h("ul", { class: "story-notes" }, document.notes.map((note) => h("li", {}, typeof note === "string" ? note : (note.text ?? note.detail ?? JSON.stringify(note)))))),
      h("h3", {}, "What happened"),
      h("ol", { class: "events" }, events.map(({ at, what, detail }) => h("li", {}, h("time", { datetime: at }, moment(at)), h("strong", {}, words(what)), detail && h("span", {}, detail)))));
  }

  async function open(id, { focus = true } = {}) {
    shown = id;
    if (element.hidden) fill(element, h("div", { class: "line skeleton" }), h("div", { class: "line short skeleton" }));
    element.hidden = false;
    try {
      const told = await getJson(`/v1/documents/${encodeURIComponent(id)}/story`);
      if (shown !== id) return;
      draw(told);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (shown !== id) return;
      fill(element, h("div", { class: "story-head" }, h("h2", {}, "No story"), h("button", { class: "plain round", type: "button", "aria-label": "Close the story", onClick: close }, icon("close"))), h("p", {}, error.detail));
    }
    if (focus) element.focus({ preventScroll: true });
  }

  function close() {
    if (element.hidden) return;
    shown = null;
    element.hidden = true;
    onClose();
  }

  return { element, open, close, shown: () => shown };
}

const words = (what) => STATES[what] ?? what.replaceAll("_", " ").replace(/^./, (letter) => letter.toUpperCase());

function facts(document) {
  const { source, collection, page_count, size_bytes, attempts, tags, updated_at, failed_pages } = document;
  return [
    ["Source", h("code", {}, source)],
    ["Collection", collection],
    page_count > 0 || document.progress ? ["Pages", pagesElement(document)] : null,
    failed_pages?.length > 0 ? ["Missing", failed_pages.map(({ page, reason, detail }) => h("div", {}, `page ${page}: ${reason ?? detail}`))] : null,
    ["Size", bytes(size_bytes)],
    attempts > 1 ? ["Attempts", count(attempts, "attempt")] : null,
    Object.keys(tags ?? {}).length > 0 ? ["Tags", tagsOf(tags)] : null,
    ["Changed", moment(updated_at)],
  ].filter(Boolean);
}

export const tagsOf = (tags) => Object.entries(tags ?? {}).map(([key, value]) => h("span", { class: "tag" }, `${key}: ${value}`));
