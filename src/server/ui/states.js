// The states of a document in words: what they are called, what they look like, what to do about them.

import { h } from "./dom.js";
import { count, number } from "./format.js";
import { icon } from "./icons.js";

/** In the order in which they are offered as filters. */
export const STATES = {
  indexed: "Indexed", processing: "Being read", queued: "In the queue", rejected: "Rejected", dead: "Given up", deleting: "Being deleted",
};

/** What happened, and what to do, of a reason: [a pattern of the reason, what to do]. */
const REMEDIES = [
  [/password|encrypted/i, "Save it without the password and add it again."],
  [/is empty|begins with|damaged|truncated|corrupt/i, "Check the file where it comes from, then add it again."],
  [/not a kind|unsupported|refused by name|HEIC|AVIF/i, "Save it as PDF, PNG or JPEG and add that."],
  [/took longer|timed out|too (many|large|big)|limit/i, "Split it, or ask for a higher limit, then try again."],
  [/cancelled/i, "Try again when you want it."],
];

/** The reason as one sentence, with what to do; null where nothing is wrong. */
export function reasonOf({ state, reason, failed_pages, page_count }) {
  if (state === "rejected" || state === "dead") {
    const what = asSentence((reason ?? "no reason was given").replace(/[.\s]+$/, ""));
    const remedy = REMEDIES.find(([pattern]) => pattern.test(what))?.[1] ?? (state === "dead" ? "Try again; its story says more." : "Correct the file and add it again.");
    return { what: `${what}.`, remedy };
  }
  if (failed_pages?.length > 0) {
    const pages = failed_pages.slice(0, 3).map(({ page }) => page).join(", ");
    return { what: `${failed_pages.length === 1 ? "Page" : "Pages"} ${pages}${failed_pages.length > 3 ? " and others" : ""} of ${page_count} can't be found: ${failed_pages[0].reason ?? failed_pages[0].detail ?? "not readable"}.`, remedy: "Try again reads them once more." };
  }
  if (state === "queued" && reason) return { what: reason, remedy: "" };
  return null;
}

/** Begins with a capital, unless it begins with a file's name. */
const asSentence = (text) => (/^\p{Ll}+(\s|$)/u.test(text) ? text[0].toUpperCase() + text.slice(1) : text);

export const canRetry = ({ state, failed_pages }) => state === "rejected" || state === "dead" || (state === "indexed" && failed_pages?.length > 0);
export const canCancel = ({ state }) => state === "queued" || state === "processing";

/** Word, colour and icon together. */
export function stateElement(document) {
  const { state, failed_pages } = document;
  const partly = state === "indexed" && failed_pages?.length > 0;
  const name = partly ? "partly" : state;
  return h("span", { class: `state ${name}` }, icon(STATES[state] ? name : "queued"), partly ? `${count(failed_pages.length, "page")} missing` : (STATES[state] ?? state));
}

/** Pages: how many there are, or how far it is. */
export function pagesElement({ state, progress, page_count }) {
  if (state === "processing" && progress?.pages) {
    const { pages_done, pages } = progress;
    return [h("span", {}, `${number(pages_done)} of ${number(pages)}`), h("progress", { max: String(pages), value: pages_done, "aria-label": "Pages read" })];
  }
  return page_count > 0 ? [h("span", {}, number(page_count), h("span", { class: "unit" }, page_count === 1 ? " page" : " pages"))] : [h("span", { class: "quiet" }, "–")];
}
