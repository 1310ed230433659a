// The answer as it is written: first what kind of answer it is, then its words.

import { fill, h, say } from "./dom.js";
import { duration, number, pageWords } from "./format.js";
import { icon } from "./icons.js";
import { blockElement, inline, parseBlocks } from "./markdown.js";
import { readAddress } from "./routes.js";

/** How long one waits before being told for how long. */
const PATIENCE_MS = 2500;

/** `light(number, on)`: a marker is looked at. `retry()`: ask again. `pages()`: how many pages there are to search, or null. */
export function answerPanel({ light, retry, pages }) {
  const verdict = h("div", { class: "verdict", role: "status" });
  const words = h("div", { class: "words" });
  const foot = h("div", { class: "answer-foot" });
  const element = h("section", { class: "answer", "aria-label": "Answer" }, verdict, words, foot);
  let shown = [];
  let label = "";
  let clock = 0;

  function marker(state) {
    return (text) => {
      const citation = state.citations.find((one) => one.marker === `[${text}]`);
      if (!citation) return `[${text}]`;
      const link = h("a", {
        class: "marker", href: readAddress(citation.document_id, citation.page, state.asked), data: { marker: text },
        "aria-label": `Evidence ${text}: ${citation.title}, ${pageWords(citation)}`,
      }, text);
      for (const [event, on] of [["pointerenter", true], ["pointerleave", false], ["focus", true], ["blur", false]]) link.addEventListener(event, () => light(text, on));
      return link;
    };
  }

  /** Only blocks that changed are made anew: what is read, hovered or focused stays. */
  function write(state) {
    const quoted = state.mode === "extractive" && !isSilent(state);
    element.classList.toggle("quoted", quoted);
    const known = state.citations.map((one) => one.marker).join();
    const blocks = parseBlocks(state.text).map((block) => ({ ...block, source: `${quoted}${known}${block.source}` }));
    blocks.forEach((block, index) => {
      if (shown[index]?.source === block.source) return;
      const made = quoted && block.kind === "paragraph" ? quotation(block.text, marker(state)) : blockElement(block, marker(state));
      const focused = words.children[index]?.contains(document.activeElement) ? document.activeElement.dataset.marker : null;
      if (words.children[index]) words.children[index].replaceWith(made);
      else words.append(made);
      if (focused) made.querySelector(`[data-marker="${focused}"]`)?.focus();
    });
    while (words.children.length > blocks.length) words.lastChild.remove();
    shown = blocks;
  }

  function verdictOf(state) {
    const { phase, done, text } = state;
    if (phase === "failed") return ["bad", "broken", state.problem.detail, "Nothing was lost; ask again when you like.", "Try again"];
    if (phase === "broken") return ["bad", "broken", state.problem.detail, text ? "What was written before stays here, unconfirmed." : "The pages that were found stay here.", state.problem.detail === "Stopped." ? "Ask again" : "Try again"];
    if (phase === "searching") return ["", "ask", pages() ? `Looking through ${number(pages())} pages` : "Looking through the pages"];
    if (phase === "reading") return ["", "ask", "The pages are here; reading them for an answer"];
    if (phase === "writing") return state.mode === "extractive" ? ["", "quote", "Quoting the pages, word for word"] : ["", "pen", "Being written; not confirmed yet"];
    if (!done.supported && done.mode !== "extractive") return ["warn", "warn", "No page backs this answer", "A model wrote it without naming a page that it was shown. Take it as a guess; the nearest pages are shown with it."];
    if (!done.supported) return ["none", "nothing", `Nothing in ${pages() ? `these ${number(pages())} pages` : "these pages"} matches well enough. The nearest pages are below.`, whyNothing(done.answer)];
    if (done.complete === false) return ["warn", "broken", "The answer broke off", "What was written before stays here.", "Try again"];
    if (done.mode === "extractive" && isSilent(state)) return ["", "picture", "The picture is the answer: what it shows can't be quoted", "The page has no text layer that can be read. Look at what is marked."];
    if (done.mode === "extractive") return ["", "quote", "Quoted from the pages, word for word"];
    const cited = done.citations.length;
    return ["", "pen", `Written by a model from ${cited} ${cited === 1 ? "page" : "pages"}; look at what is marked`];
  }

  function drawVerdict(state) {
    const [kind, picture, title, detail, action] = verdictOf(state);
    const next = [kind, picture, title, detail, action].join("|");
    if (next === label) return;
    label = next;
    verdict.className = `verdict ${kind}`;
    fill(verdict, icon(picture), h("div", {}, h("strong", {}, title), h("span", { class: "waited" }), detail && h("p", {}, detail)), action && h("button", { class: "outline", type: "button", onClick: retry }, icon("retry"), action));
  }

  function tick(state) {
    clearInterval(clock);
    if (state.phase !== "searching" && state.phase !== "reading") return;
    clock = setInterval(() => {
      const waited = performance.now() - state.started;
      if (waited > PATIENCE_MS) say(verdict.querySelector(".waited"), `, ${Math.floor(waited / 1000)} s so far`);
    }, 500);
  }

  return {
    element,
    draw(state) {
      drawVerdict(state);
      tick(state);
      const waiting = state.phase === "searching" || state.phase === "reading";
      const none = state.done && !state.done.supported && state.done.mode === "extractive";
      element.classList.toggle("empty", Boolean(none || state.phase === "failed" || (state.phase === "broken" && !state.text)));
      if (waiting) {
        shown = [];
        if (!words.querySelector(".line")) fill(words, ["line skeleton", "line skeleton", "line short skeleton"].map((name) => h("div", { class: name, "aria-hidden": "true" })));
      } else if (none || !state.text) {
        shown = [];
        words.replaceChildren();
      } else {
        if (words.querySelector(".line")) words.replaceChildren();
        write(state);
      }
      words.setAttribute("aria-busy", String(waiting || state.phase === "writing"));
      drawFoot(foot, state);
    },
    /** Lights the sentences that rest on evidence `number`. */
    light(number, on) {
      for (const sentence of words.querySelectorAll(".sentence")) sentence.classList.toggle("lit", on && sentence.dataset.cites.split(" ").includes(number));
    },
    end: () => clearInterval(clock),
  };
}

/** Whether everything that the answer rests on is pictures: then its words are the program's, not those of a page. */
const isSilent = ({ citations }) => citations.length > 0 && citations.every(({ snippet, text_unreadable }) => !snippet || text_unreadable);

/** Quotes stand one below the other, each with its marker: they are words of pages, not of this page. */
function quotation(text, marker) {
  const quotes = [[]];
  for (const sentence of inline(text, marker)) {
    if (quotes.at(-1).at(-1)?.dataset.cites) quotes.push([]);
    quotes.at(-1).push(sentence);
  }
  return h("ul", { class: "quotation" }, quotes.map((sentences) => {
    // A quote of several sentences has one marker, at its end.
    for (const sentence of sentences) sentence.dataset.cites = sentences.at(-1).dataset.cites;
    return h("li", {}, sentences);
  }));
}

/** Why nothing was found; the nearest pages, which it names too, are shown as cards. */
const whyNothing = (answer) => answer.replace(/\s*Nearest:.*$/s, "").replace(/^Nothing was found that answers this:?\s*/, "").replace(/^./, (letter) => letter.toUpperCase());

function drawFoot(foot, { phase, done, timings_ms, plan }) {
  if (phase !== "done") {
    foot.replaceChildren();
    return;
  }
  const found = (timings_ms.embed ?? 0) + (timings_ms.query ?? 0);
  const copied = h("button", { class: "plain", type: "button" }, icon("copy"), "Copy");
  copied.addEventListener("click", async () => {
    const sources = done.citations.map((one) => `${one.marker} ${one.title}, ${pageWords(one)}`).join("\n");
    await navigator.clipboard.writeText(`${done.answer}\n\n${sources}\n`);
    fill(copied, icon("indexed"), "Copied");
  });
  fill(foot,
    (done.notes ?? []).map((note) => h("p", { class: "note" }, icon("warn"), note)),
    h("p", { class: "quiet row" },
      h("span", {}, `Pages found in ${duration(found)}, ${duration(timings_ms.total)} in all, plan ${plan}.`),
      h("a", { href: "#/behind" }, "How were they found?"),
      done.supported && navigator.clipboard ? copied : null));
}
