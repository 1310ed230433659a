// An answer and its evidence, side by side: what is looked at in one lights up in the other.

import { answerPanel } from "./answer.js";
import { fill, h } from "./dom.js";
import { card, cardSkeleton, keyOf } from "./evidence.js";
import { count, duration } from "./format.js";

/** Mounts both in `root`. `retry()`: ask again; `pages()`: how many pages there are to search, or null. */
export function mountDesk(root, { retry, pages }) {
  const panel = answerPanel({ light, retry, pages });
  const evidence = evidencePanel(light);
  fill(root, panel.element, evidence.element);

  function light(number, on) {
    panel.light(number, on);
    evidence.light(number, on);
  }

  return {
    draw(state) {
      root.classList.toggle("nothing", Boolean(state.done && !state.done.supported && state.done.mode === "extractive"));
      panel.draw(state);
      evidence.draw(state);
    },
    end: panel.end,
  };
}

/** The cards. Their order is that of the search and stays: nothing moves while the answer is written. */
function evidencePanel(light) {
  const title = h("h2", {});
  const list = h("div", { class: "cards" });
  const element = h("section", { class: "evidence", "aria-label": "Evidence" }, title, list);
  let cards = [];
  let shownFor = null;

  function draw({ asked, phase, hits, citations, done, timings_ms }) {
    const known = new Map((hits ?? []).map((hit) => [keyOf(hit), hit]));
    const pages = done?.supported === false && done.nearest?.length ? done.nearest.map((near) => known.get(keyOf(near)) ?? near) : hits;
    if (!pages) {
      shownFor = null;
      cards = [];
      fill(title, phase === "failed" ? "" : "Evidence");
      fill(list, phase === "failed" ? null : [cardSkeleton(), cardSkeleton(), cardSkeleton()]);
      return;
    }
    const identity = pages.map(keyOf).join();
    // The same pages in the same places are left alone.
    if (shownFor !== identity) {
      const kept = new Map(cards.map((one) => [keyOf(one.hit), one]));
      cards = pages.map((hit) => kept.get(keyOf(hit)) ?? card(hit, asked, light));
      fill(list, cards.map(({ element: one }) => one));
      shownFor = identity;
    }
    for (const citation of citations) cards.find(({ hit }) => keyOf(hit) === keyOf(citation))?.cite(citation.marker.replace(/\D/g, ""));
    const nearest = done && !done.supported;
    const heading = nearest ? "The nearest pages" : pages.length === 0 ? "No pages" : "Evidence";
    const found = timings_ms ? duration((timings_ms.embed ?? 0) + (timings_ms.query ?? 0)) : "";
    fill(title, heading, h("span", { class: "quiet" }, pages.length > 0 ? ` ${count(pages.length, "page")}${found && !nearest ? ` in ${found}` : ""}` : " Nothing is indexed that could be shown."));
  }
  return {
    element,
    draw,
    light(number, on) {
      if (!number) return;
      for (const one of cards) {
        const is = one.element.classList.contains("cited") && one.element.querySelector(".badge").textContent === number;
        one.light(on && is);
        if (on && is && !one.element.matches(":hover, :focus-within")) one.element.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" });
      }
    },
  };
}
