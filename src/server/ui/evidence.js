// A card a page: the hot region cut out of it, where it stands, how well it fits, what it says.

import { cropWindow } from "./crop.js";
import { fill, h } from "./dom.js";
import { pageWords } from "./format.js";
import { icon } from "./icons.js";
import { readAddress } from "./routes.js";

/** Height of a card's picture divided by its width; ask.css says the same. */
const FRAME = 0.42;

export const keyOf = ({ document_id, page }) => `${document_id}/${page}`;

/** `asked`: {question, collection}; `light(number, on)` is told when the card is looked at. */
export function card(hit, asked, light) {
  let number = null;
  const address = readAddress(hit.document_id, hit.page, asked);
  const badge = h("span", { class: "badge", hidden: true });
  const link = h("a", { class: "card-link", href: address }, hit.title || hit.source);
  const element = h("article", { class: "card", data: { key: keyOf(hit) } },
    picture(hit),
    h("div", { class: "card-body" },
      h("h3", {}, badge, link),
      h("p", { class: "card-where" }, h("span", {}, pageWords(hit)), hit.section_title && h("span", { class: "card-section", title: (hit.breadcrumbs ?? []).join(" › ") }, hit.section_title), relevance(hit.relevance)),
      words(hit)));
  for (const [event, on] of [["pointerenter", true], ["pointerleave", false], ["focusin", true], ["focusout", false]]) element.addEventListener(event, () => light(number, on));
  return {
    element,
    hit,
    /** Shows the marker that the answer gives this page. */
    cite(marker) {
      if (marker === number) return;
      number = marker;
      fill(badge, marker);
      badge.hidden = false;
      badge.setAttribute("aria-label", `Evidence ${marker}:`);
      element.classList.add("cited");
    },
    light: (on) => element.classList.toggle("lit", on),
  };
}

function picture({ image, regions, title, page }) {
  const frame = h("div", { class: "card-picture skeleton" });
  const img = h("img", { alt: `Part of page ${page} of ${title}`, decoding: "async", draggable: "false" });
  img.addEventListener("load", async () => {
    // Marks never stand on a picture that isn't painted yet.
    await img.decode().catch(() => {});
    const { left, top, width, height } = cropWindow(regions, img.naturalHeight / img.naturalWidth, FRAME);
    place(img, { left: -left / width, top: -top / height, width: 1 / width });
    frame.classList.remove("skeleton");
    frame.append(...(regions ?? []).map((region) => place(h("span", { class: "marked" }), {
      left: (region.left - left) / width, top: (region.top - top) / height, width: (region.right - region.left) / width, height: (region.bottom - region.top) / height,
    })));
  });
  img.addEventListener("error", () => {
    frame.classList.remove("skeleton");
    fill(frame, h("p", { class: "card-lost" }, icon("picture"), "The picture of this page can't be loaded."));
  });
  img.src = image;
  frame.append(img);
  return frame;
}

function place(element, sides) {
  for (const [side, value] of Object.entries(sides)) element.style.setProperty(side, `${value * 100}%`);
  return element;
}

function relevance(value) {
  if (typeof value !== "number") return null;
  const shown = value.toFixed(2);
  return h("span", { class: "relevance", role: "img", "aria-label": `fits ${shown} of 1`, title: `How well the page's words fit the question's: ${shown} of 1` },
    h("span", { class: "relevance-bar" }, h("span", { css: { width: `${Math.round(value * 100)}%` } })), shown);
}

function words({ snippet, text_unreadable, source_gone }) {
  const silent = !snippet || text_unreadable;
  return [
    silent
      ? h("p", { class: "card-note" }, icon("picture"), text_unreadable ? "Its text layer can't be read: the picture is the answer, and it can't be quoted." : "No text layer: the picture is the answer, and it can't be quoted.")
      : h("p", { class: "card-snippet" }, snippet),
    source_gone && h("p", { class: "card-note" }, icon("warn"), "The original file is gone; its pages are still here."),
  ];
}

/** Where cards will stand, before there are any. */
export function cardSkeleton() {
  return h("div", { class: "card", "aria-hidden": "true" }, h("div", { class: "card-picture skeleton" }), h("div", { class: "card-body" }, h("div", { class: "line skeleton" }), h("div", { class: "line short skeleton" })));
}
