// The view "Read": one page, large. What the question found on it is marked; each of its words can be looked at alone.

import { Problem, getJson, query as search, request } from "./api.js";
import { asking, sameQuestion } from "./asking.js";
import { fill, h } from "./dom.js";
import { pageWords } from "./format.js";
import { icon } from "./icons.js";
import { askAddress, readAddress, replaceRoute } from "./routes.js";
import { createStage } from "./stage.js";
import { toast } from "./toast.js";

/** A page image is asked for this wide at first; larger where somebody looks closer. Pixels. */
const USUAL_WIDTH = 1400;
const LARGE_WIDTH = 2800;

export function mount(root) {
  const stage = createStage();
  const paper = h("img", { class: "paper", alt: "", draggable: "false" });
  const heat = h("img", { class: "heat", alt: "", hidden: true });
  const marks = h("div", { class: "marks" });
  const note = h("p", { class: "sheet-note", hidden: true });
  stage.sheet.append(paper, heat, marks, note);
  const bar = toolbar({ go, zoom: stage.zoom, text: toggleText, share });
  const chips = h("div", { class: "chips", role: "radiogroup", "aria-label": "Words of the question" });
  const leftOut = h("span", { class: "wide" });
  const wordsBar = h("div", { class: "read-words", hidden: true }, h("span", { class: "wide" }, "Found here"), chips, leftOut);
  const text = h("aside", { class: "page-text", hidden: true, tabindex: "0", "aria-label": "Text of the page" });
  const main = h("div", { class: "read-main" }, stage.element, text);
  root.append(bar.element, wordsBar, main);

  let where = null;
  let page = null;
  let map = null;
  let chosen = -1;
  let call = new AbortController();
  let heatUrl = null;

  stage.onZoom((scale, width) => {
    bar.scale(scale);
    if (page && width * devicePixelRatio > USUAL_WIDTH * 1.2) sharpen();
  });

  /** The same picture with more pixels; stays as it is where the service has none. */
  function sharpen() {
    if (paper.dataset.large === page.image) return;
    paper.dataset.large = page.image;
    const large = new Image();
    const mine = page.image;
    large.addEventListener("load", () => { if (page?.image === mine) paper.src = large.src; });
    large.src = sized(page.image, LARGE_WIDTH);
  }

  async function load(route) {
    call.abort();
    call = new AbortController();
    const { signal } = call;
    const [document, number] = route.parts;
    where = { document, page: Math.max(1, Number(number) || 1), question: route.query.get("q") ?? "", collection: route.query.get("collection") ?? "" };
    const base = `/v1/documents/${encodeURIComponent(where.document)}/pages/${where.page}`;
    map = null;
    chosen = -1;
    marks.replaceChildren();
    heat.hidden = true;
    wordsBar.hidden = true;
    const heatmap = where.question ? getJson(`${base}/heatmap${search({ q: where.question, collection: where.collection, format: "json" })}`, { signal }).catch((error) => error) : null;
    try {
      page = await getJson(base, { signal });
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Problem)) throw error;
      lost(error);
      return;
    }
    main.hidden = false;
    root.querySelector(".gone")?.remove();
    document_title();
    bar.show(page, where);
    showPicture(signal);
    drawText();
    const found = await heatmap;
    if (signal.aborted || !found) return;
    if (found instanceof Error) {
      if (found.name !== "AbortError") toast(`The marks can't be shown: ${found.detail ?? found.message}`);
      return;
    }
    map = found;
    drawChips();
    choose(-1);
    drawText();
  }

  function document_title() {
    window.document.title = `${page.title}, ${pageWords(page)} · Quire`;
  }

  function showPicture(signal) {
    stage.show(page);
    note.hidden = true;
    paper.alt = `Page ${page.page} of ${page.title}`;
    paper.classList.add("skeleton");
    paper.onload = () => paper.classList.remove("skeleton");
    paper.onerror = () => {
      // A service that signs the width too refuses another one: the picture as the link has it will do.
      if (paper.src.includes("width=") && !signal.aborted) { paper.onerror = failed; paper.src = page.image; } else failed();
    };
    paper.src = sized(page.image, USUAL_WIDTH);
    function failed() {
      if (signal.aborted) return;
      note.hidden = false;
      fill(note, icon("picture"), "The picture of this page can't be loaded.");
    }
  }

  function drawChips() {
    const { tokens, left_out } = map;
    wordsBar.hidden = tokens.length === 0;
    fill(chips, [{ text: "All words", boxes: map.boxes }, ...tokens].map(({ text: word, boxes }, index) =>
      h("button", { type: "button", role: "radio", class: boxes.length === 0 ? "chip absent" : "chip", "aria-checked": "false", tabindex: "-1", "aria-label": boxes.length === 0 ? `${word}, not on this page` : null, title: boxes.length === 0 ? "Not on this page" : null, onClick: () => choose(index - 1) }, word)));
    fill(leftOut, left_out?.length ? `Not looked for: ${left_out.join(", ")}` : "");
  }

  /** Marks one word alone (its index), or all of them (-1). */
  async function choose(index) {
    chosen = index;
    [...chips.children].forEach((chip, at) => {
      const is = at === index + 1;
      chip.setAttribute("aria-checked", String(is));
      chip.tabIndex = is ? 0 : -1;
      if (is && chips.contains(window.document.activeElement)) chip.focus();
      if (is) chip.scrollIntoView({ block: "nearest", inline: "nearest" });
    });
    const boxes = index < 0 ? map.boxes : map.tokens[index].boxes;
    stage.sheet.classList.toggle("one-word", index >= 0);
    fill(marks, boxes.map((box) => {
      const sides = { left: box.left, top: box.top, width: box.right - box.left, height: box.bottom - box.top };
      return h("span", { class: "marked", css: Object.fromEntries(Object.entries(sides).map(([side, value]) => [side, `${value * 100}%`])) });
    }));
    const best = [...boxes].sort((one, other) => (other.score ?? 0) - (one.score ?? 0))[0];
    if (best) stage.center(best);
    heat.hidden = true;
    if (index < 0) return;
    const { signal } = call;
    const path = `/v1/documents/${encodeURIComponent(where.document)}/pages/${where.page}/heatmap${search({ q: where.question, collection: where.collection, token: map.tokens[index].index, format: "png" })}`;
    try {
      const blob = await (await request(path, { signal })).blob();
      if (signal.aborted || chosen !== index) return;
      URL.revokeObjectURL(heatUrl);
      heatUrl = URL.createObjectURL(blob);
      heat.src = heatUrl;
      heat.hidden = false;
    } catch (error) {
      // The boxes are there; the overlay is an extra.
      if (!(error instanceof Problem) && error.name !== "AbortError") throw error;
    }
  }

  function drawText() {
    const body = page.text?.trim();
    fill(text, h("h2", {}, "Text of this page"), body
      ? h("div", { class: "lines" }, highlighted(page.text, map?.tokens ?? []))
      : h("p", { class: "card-note" }, icon("picture"), "This page has no text layer: the picture is the answer, and it can't be quoted."));
  }

  function toggleText() {
    text.hidden = !text.hidden;
    bar.text(!text.hidden);
    if (!text.hidden) text.focus({ preventScroll: true });
  }

  async function share() {
    try {
      await navigator.clipboard.writeText(location.href);
      toast("The link to this page is copied.", { stays_ms: 3000 });
    } catch {
      toast(`The browser doesn't allow copying here. The link is the address of this page.`);
    }
  }

  function go(number) {
    if (!page || number < 1 || number > page.page_count) return;
    // Pages that are turned are no steps of the history: "back" leads to the answer.
    replaceRoute(readAddress(where.document, number, where));
    load({ parts: [where.document, String(number)], query: new URLSearchParams(where.question ? { q: where.question, collection: where.collection } : {}) });
  }

  function lost(problem) {
    main.hidden = true;
    root.querySelector(".gone")?.remove();
    bar.show({ title: "This page is not here", page: where.page, page_count: 0 }, where);
    const detail = problem.status === 404 ? "It was deleted, or belongs to somebody else, or the link is wrong." : problem.detail;
    root.append(h("div", { class: "gone" }, h("p", {}, detail), h("button", { class: "outline", type: "button", onClick: () => load({ parts: [where.document, String(where.page)], query: new URLSearchParams({ q: where.question }) }) }, icon("retry"), "Try again")));
  }

  const walk = (step) => {
    if (!map || map.tokens.length === 0) return false;
    const size = map.tokens.length + 1;
    choose(((chosen + 1 + step + size) % size) - 1);
    return true;
  };

  return {
    title: () => (page ? `${page.title}, ${pageWords(page)}` : "Read"),
    update: load,
    focus() {},
    /** Returns whether the key was for this view. */
    key(event) {
      const actions = {
        ArrowLeft: () => walk(-1), ArrowRight: () => walk(1), PageUp: () => go(where.page - 1), PageDown: () => go(where.page + 1),
        "+": () => stage.zoom(1), "=": () => stage.zoom(1), "-": () => stage.zoom(-1), 0: () => stage.zoom(0),
        t: toggleText, o: () => bar.original.click(), c: share, Escape: () => bar.back.click(),
      };
      if (!actions[event.key] || event.shiftKey && event.key.startsWith("Arrow")) return false;
      return actions[event.key]() !== false;
    },
    end() {
      call.abort();
      stage.end();
      URL.revokeObjectURL(heatUrl);
    },
  };
}

/** A link to an image with the width that is wanted. */
function sized(link, width) {
  const url = new URL(link, location.href);
  url.searchParams.set("width", String(width));
  return url.pathname + url.search;
}

/** `text` with the question's words marked. */
function highlighted(text, tokens) {
  const found = tokens.filter(({ boxes, text: word }) => boxes.length > 0 && /[\p{L}\p{N}]{2}/u.test(word)).map(({ text: word }) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  if (found.length === 0) return text;
  return text.split(new RegExp(`(?<![\\p{L}\\p{N}])(${found.join("|")})(?![\\p{L}\\p{N}])`, "giu")).map((piece, index) => (index % 2 ? h("mark", {}, piece) : piece));
}

function toolbar({ go, zoom, text, share }) {
  const round = (name, label, key, run, more = {}) => h("button", { class: "plain round", type: "button", "aria-label": label, title: `${label} (${key})`, onClick: run, ...more }, icon(name));
  const back = h("a", { class: "button plain back", href: "#/ask", title: "Back (Esc)" }, icon("back"), h("span", { class: "name" }, "Answer"));
  const title = h("h1", {});
  const line = h("p", {});
  const previous = round("previous", "Previous page", "PgUp", () => go(now.page - 1));
  const next = round("next", "Next page", "PgDn", () => go(now.page + 1));
  const field = h("input", { inputmode: "numeric", "aria-label": "Page", onChange: () => go(Number(field.value)) });
  const total = h("span", { class: "quiet" });
  const scale = h("output", { "aria-label": "Zoom" }, "100%");
  const textButton = h("button", { class: "plain", type: "button", title: "Text of this page (t)", "aria-label": "Text", "aria-pressed": "false", onClick: text }, icon("text"), h("span", { class: "name" }, "Text"));
  const original = h("a", { class: "button plain", target: "_blank", rel: "noopener", title: "The original, at this page (o)", "aria-label": "Open the original at this page" }, icon("original"), h("span", { class: "name" }, "Original"));
  let now = { page: 1 };
  const element = h("div", { class: "read-bar" },
    back, h("div", { class: "read-title" }, title, line),
    h("div", { class: "group pager" }, previous, field, h("span", {}, " "), total, next),
    h("div", { class: "group zoom" }, round("minus", "Smaller", "−", () => zoom(-1)), scale, round("plus", "Larger", "+", () => zoom(1)), round("fit", "As it was", "0", () => zoom(0))),
    h("div", { class: "group push" }, textButton, original, round("link", "Copy a link to this page", "c", share)));
  return {
    element, back, original,
    scale: (value) => fill(scale, `${Math.round(value * 100)}%`),
    text: (on) => textButton.setAttribute("aria-pressed", String(on)),
    show(page, where) {
      now = page;
      const { asked } = asking.get();
      const sameAsked = asked && sameQuestion(asked, { ...asked, question: where.question });
      back.setAttribute("href", where.question ? askAddress(sameAsked ? asked : { question: where.question, collection: where.collection }) : "#/documents");
      fill(back.querySelector(".name"), where.question ? "Answer" : "Documents");
      fill(title, page.title);
      fill(line, page.page_count ? [pageWords(page), page.section_title].filter(Boolean).join(" · ") : "");
      field.value = String(page.page);
      fill(total, page.page_count ? `/ ${page.page_count}` : "");
      previous.disabled = page.page <= 1;
      next.disabled = page.page >= page.page_count;
      original.hidden = !page.original;
      if (page.original) original.setAttribute("href", page.original);
    },
  };
}
