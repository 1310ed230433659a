// Before the first question: what there is to ask, or, where there is nothing yet, how to begin.

import { chooseFiles } from "./dock.js";
import { h } from "./dom.js";
import { count } from "./format.js";
import { icon } from "./icons.js";
import { recentQuestions } from "./asking.js";
import { askAddress } from "./routes.js";

/** What to show for `status` (null while it is not known) and `working` (documents in work). */
export function startPanel(status, working) {
  if (!status) return h("div", { class: "start" }, h("div", { class: "line short skeleton", "aria-hidden": "true" }));
  const pages = status.collections.reduce((sum, one) => sum + one.pages, 0);
  const documents = status.collections.reduce((sum, one) => sum + one.documents, 0);
  const inWork = (status.queue?.queued ?? 0) + (status.queue?.processing ?? 0);
  if (pages === 0 && inWork === 0) return h("div", { class: "start" }, emptyPanel(status));
  return h("div", { class: "start" },
    inWork > 0 && workPanel(pages, inWork, working),
    pages > 0 && h("p", { class: "quiet" }, `${count(pages, "page")} in ${count(documents, "document")} can be asked. Every answer shows where it stands.`),
    recent());
}

function recent() {
  const questions = recentQuestions();
  if (questions.length === 0) return null;
  return h("nav", { class: "recent", "aria-label": "Asked before" }, h("h2", {}, "Asked before"), h("ul", {}, questions.map((question) => h("li", {}, h("a", { href: askAddress({ question }) }, question)))));
}

function workPanel(pages, inWork, working) {
  const one = working.find(({ progress }) => progress?.pages) ?? working[0];
  const { pages_done = 0, pages: all = 0 } = one?.progress ?? {};
  const progress = all === 0 ? "" : pages_done === 0 ? `, ${count(all, "page")}` : `, page ${pages_done} of ${all}`;
  const name = one?.title || one?.name || "";
  return h("div", { class: "work", role: "status" }, icon("processing"),
    h("div", {},
      h("strong", {}, pages === 0 ? "The first document is in work" : `${count(inWork, "document")} in work`),
      h("p", { class: "quiet" }, `${name}${progress}. `, "You can ask already: pages answer as soon as their document is indexed.")));
}

const SVG = "http://www.w3.org/2000/svg";

/** Three small drawings: a document goes in, a question is asked, the place is shown. Lines only: there are no words to make up. */
const STEPS = [
  ["Add documents", "Every page becomes a picture that can be searched.", [["page", "M20 8h44l16 16v56H20z"], ["ink", "M64 8v16h16M32 36h36M32 46h36M32 56h28M32 66h32"]]],
  ["Ask in your words", "The pages that fit are there at once, before the first word of an answer.", [["page", "M8 30h84v28H8z"], ["ink", "M18 44h34M74 44h8m0 0-4-4m4 4-4 4"]]],
  ["See where it stands", "Each sentence leads to its place on the page. Believe what you can see.", [["page", "M14 6h72v76H14z"], ["mark", "M26 42h42"], ["ink", "M26 20h48M26 30h40M26 42h42M26 54h48M26 64h34"]]],
];

function lesson() {
  return h("ol", { class: "lesson" }, STEPS.map(([title, what, paths]) => {
    const svg = document.createElementNS(SVG, "svg");
    for (const [name, value] of Object.entries({ viewBox: "0 0 100 88", width: "100", height: "88", "aria-hidden": "true" })) svg.setAttribute(name, value);
    for (const [kind, d] of paths) {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("class", kind);
      path.setAttribute("d", d);
      svg.append(path);
    }
    return h("li", {}, svg, h("div", {}, h("strong", {}, title), h("p", { class: "quiet" }, what)));
  }));
}

/** How to begin: a drop field, the folder that is watched, what is read. */
export function emptyPanel(status) {
  const watched = status?.watched ?? [];
  const formats = (status?.formats ?? []).map((format) => format.toUpperCase().replace(/^\./, ""));
  return h("section", { "aria-label": "How to begin" }, h("div", { class: "empty-desk" },
    h("button", { class: "drop", type: "button", onClick: chooseFiles },
      icon("upload"), h("strong", {}, "Drop a document here, or choose one"), h("span", { class: "quiet" }, "Then ask it something. The answer shows the place on the page where it stands.")),
    h("dl", { class: "facts" },
      watched.length > 0 && h("div", {}, h("dt", {}, icon("folder"), watched.length === 1 ? "Watched folder" : "Watched folders"), h("dd", {}, watched.map(({ path }) => h("code", {}, path)), h("span", { class: "quiet" }, "What you put there is added by itself."))),
      formats.length > 0 && h("div", {}, h("dt", {}, icon("documents"), "Kinds of files"), h("dd", {}, formats.join(", "), h("span", { class: "quiet" }, "Scans and photographs too: pages are looked at, not only read."))))),
    lesson());
}
