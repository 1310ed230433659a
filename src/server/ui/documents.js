// The view "Documents": what there is and how it stands. Quick with a hundred thousand rows: they come a few hundred at a time, and
// only those in sight exist.

import { Problem, getJson, query as search, request } from "./api.js";
import { deleteLater, deletions } from "./deletions.js";
import { debounce, fill, h, throttle } from "./dom.js";
import { ago, fileName, number, sourceWords } from "./format.js";
import { icon } from "./icons.js";
import { live, onEvent } from "./live.js";
import { documentsAddress, replaceRoute } from "./routes.js";
import { createRows } from "./rows.js";
import { emptyPanel } from "./start.js";
import { STATES, canRetry, pagesElement, reasonOf, stateElement } from "./states.js";
import { storyPanel, tagsOf } from "./story.js";
import { toast } from "./toast.js";
import { uploadTo } from "./uploads.js";

const CHUNK = 200;

export function mount(root) {
  const field = h("input", { type: "search", placeholder: "Filter by name, path or tag", "aria-label": "Filter documents", class: "filter", autocomplete: "off" });
  const states = h("div", { class: "filters", role: "group", "aria-label": "States" });
  const collection = h("select", { "aria-label": "Collection", hidden: true, onChange: () => { uploadTo(collection.value); apply({ collection: collection.value }); } });
  const shownCount = h("p", { class: "quiet", role: "status" });
  const story = storyPanel({ act, onClose: () => { remember(); rows.focus(rows.index()); } });
  const rows = createRows({ draw: drawRow, onOpen: (item) => { story.open(item.document_id); remember(); }, onNear: more, label: "Documents", head: ["Document", "State", "Pages", "Tags", "Changed", ""].map((name) => h("div", { role: "columnheader" }, name || h("span", { class: "away" }, "Actions"))) });
  const place = h("div", { class: "documents-place" }, rows.element);
  const empty = h("div", { class: "documents-empty", hidden: true });
  root.append(
    h("div", { class: "documents-top" }, h("h1", {}, "Documents"), h("div", { class: "filter-box" }, icon("filter"), field), collection, states, shownCount),
    h("div", { class: "documents-main" }, place, empty, story.element));

  let filter = { q: "", state: "", collection: "" };
  let documents = [];
  let cursor = null;
  let counts = {};
  let call = new AbortController();
  let loading = false;
  let wasConnected = live.get().connected;
  let filtersShown = "";

  async function load({ keep = false } = {}) {
    call.abort();
    call = new AbortController();
    const { signal } = call;
    loading = true;
    try {
      // What is shown again has as many rows as before, so that nothing moves under the eye.
      const limit = keep ? Math.min(1000, Math.max(CHUNK, documents.length)) : CHUNK;
      const page = await getJson(`/v1/documents${search({ ...filter, limit })}`, { signal });
      documents = keep && documents.length > page.documents.length ? merged(page.documents) : page.documents;
      if (!keep || documents.length === page.documents.length) cursor = page.next_cursor ?? null;
      counts = page.counts ?? {};
      if (!keep) rows.top();
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Problem)) throw error;
      toast(`The documents can't be listed: ${error.detail}`, { action: { label: "Try again", run: () => load() } });
    } finally {
      if (!signal.aborted) loading = false;
    }
    if (!signal.aborted) draw();
  }

  /** The rows that are there, with what the first of them are now. */
  function merged(fresh) {
    const known = new Set(fresh.map(({ document_id }) => document_id));
    return [...fresh, ...documents.slice(fresh.length).filter(({ document_id }) => !known.has(document_id))];
  }

  async function more() {
    if (loading || !cursor) return;
    loading = true;
    const { signal } = call;
    try {
      const page = await getJson(`/v1/documents${search({ ...filter, limit: CHUNK, cursor })}`, { signal });
      const known = new Set(documents.map(({ document_id }) => document_id));
      documents = [...documents, ...page.documents.filter(({ document_id }) => !known.has(document_id))];
      cursor = page.next_cursor ?? null;
    } catch (error) {
      if (!(error instanceof Problem) && error.name !== "AbortError") throw error;
      return;
    } finally {
      if (!signal.aborted) loading = false;
    }
    draw();
  }

  function offerCollections() {
    const names = (live.get().status?.collections ?? []).map(({ name }) => name);
    collection.hidden = names.length < 2;
    fill(collection, h("option", { value: "" }, "All collections"), names.map((name) => h("option", { value: name }, name)));
    collection.value = filter.collection;
  }

  function draw() {
    offerCollections();
    const { hidden } = deletions.get();
    const visible = hidden.size === 0 ? documents : documents.filter(({ document_id }) => !hidden.has(document_id));
    const all = Object.values(counts).reduce((sum, one) => sum + one, 0);
    const total = Math.max((filter.state ? (counts[filter.state] ?? 0) : all) - (documents.length - visible.length), visible.length);
    rows.set(visible, total);
    drawStates(all);
    const nothing = visible.length === 0 && !loading;
    const isFiltered = filter.q || filter.state || filter.collection;
    empty.hidden = !nothing;
    place.hidden = nothing;
    fill(shownCount, nothing ? "" : cursor ? `The newest ${number(visible.length)} of ${number(total)} are here; more come as you scroll.` : "");
    if (!nothing) return;
    if (isFiltered) fill(empty, h("p", {}, "No document fits this filter."), h("button", { class: "outline", type: "button", onClick: () => apply({ q: "", state: "", collection: "" }) }, "Show all"));
    else fill(empty, emptyPanel(live.get().status));
  }

  /** Only when a number changed: somebody may have the focus on one of them. */
  function drawStates(all) {
    const next = JSON.stringify([filter.state, counts]);
    if (next === filtersShown) return;
    filtersShown = next;
    const focused = states.contains(window.document.activeElement) ? window.document.activeElement.dataset.state : null;
    fill(states, stateButton("", "All", all), Object.entries(STATES).filter(([state]) => counts[state] > 0 || filter.state === state).map(([state, name]) => stateButton(state, name, counts[state] ?? 0)));
    if (focused !== null) states.querySelector(`[data-state="${focused}"]`)?.focus();
  }

  function stateButton(state, name, amount) {
    const on = filter.state === state;
    return h("button", { type: "button", class: "filter-state", data: { state }, "aria-pressed": String(on), onClick: () => apply({ state: on ? "" : state }) }, state ? icon(state) : null, `${name} `, h("span", { class: "quiet" }, number(amount)));
  }

  function drawRow(row, document) {
    const why = reasonOf(document);
    const name = document.title || fileName(document.source);
    row.classList.toggle("bad", document.state === "rejected" || document.state === "dead");
    const action = (picture, label, run) => h("button", { class: "plain round", type: "button", tabindex: "-1", "aria-label": `${label}: ${name}`, title: label, onClick: run }, icon(picture));
    fill(row,
      h("div", { role: "gridcell", class: "cell-name" },
        h("span", { class: "doc-title" }, name),
        h("span", { class: why ? "doc-why" : "doc-source", title: why ? `${why.what} ${why.remedy}` : document.source }, why ? [why.what, " ", why.remedy] : sourceWords(document))),
      h("div", { role: "gridcell", class: "cell-state" }, stateElement(document)),
      h("div", { role: "gridcell", class: "cell-pages" }, pagesElement(document)),
      h("div", { role: "gridcell", class: "cell-tags" }, tagsOf(document.tags)),
      h("div", { role: "gridcell", class: "cell-when" }, h("time", { datetime: document.updated_at, title: document.updated_at }, ago(document.updated_at))),
      h("div", { role: "gridcell", class: "cell-do" },
        canRetry(document) && action("retry", "Try again", () => act("retry", document)),
        action("trash", "Delete", () => act("delete", document))));
  }

  async function act(what, document) {
    if (what === "delete") {
      if (story.shown() === document.document_id) story.close();
      deleteLater(document);
      return;
    }
    try {
      const changed = await (await request(`/v1/documents/${encodeURIComponent(document.document_id)}/${what}`, { method: "POST" })).json();
      put(changed);
      if (story.shown() === document.document_id) story.open(document.document_id, { focus: false });
      toast(what === "retry" ? "It is in the queue again." : "It was taken out of the queue.", { stays_ms: 3000 });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      toast(error.detail);
    }
  }

  function put(document) {
    const index = documents.findIndex(({ document_id }) => document_id === document.document_id);
    if (index < 0) return reloadSoon();
    documents = documents.with(index, document);
    return draw();
  }

  const reloadSoon = throttle(() => load({ keep: true }), 1000);
  const applySoon = debounce(() => apply({ q: field.value.trim() }), 150);

  function apply(change) {
    applySoon.cancel();
    filter = { ...filter, ...change };
    if ("q" in change && field.value.trim() !== change.q) field.value = change.q;
    remember();
    load();
  }

  function remember() {
    replaceRoute(documentsAddress({ ...filter, document: story.shown() }));
  }

  field.addEventListener("input", applySoon);
  const ends = [
    deletions.subscribe(draw),
    live.subscribe(({ connected }) => {
      if (documents.length === 0) draw();
      // What happened while nobody listened.
      if (connected && !wasConnected) reloadSoon();
      wasConnected = connected;
    }),
    onEvent(({ event, data }) => {
      const index = documents.findIndex(({ document_id }) => document_id === data.document_id);
      if (index < 0) return event === "page" ? null : reloadSoon();
      const known = documents[index];
      if (event === "opened") return put({ ...known, state: "processing", progress: { pages_done: 0, pages: data.pages } });
      if (event === "page" && known.progress) return put({ ...known, progress: { ...known.progress, pages_done: Math.min(known.progress.pages, known.progress.pages_done + 1) } });
      if (event === "started") return put({ ...known, state: "processing", reason: null });
      reloadSoon();
      if (story.shown() === data.document_id) story.open(data.document_id, { focus: false });
      return null;
    }),
    rows.end,
  ];

  return {
    title: () => "Documents",
    update({ query }) {
      filter = { q: query.get("q") ?? "", state: query.get("state") ?? "", collection: query.get("collection") ?? "" };
      field.value = filter.q;
      load();
      if (query.get("document")) story.open(query.get("document"));
    },
    focus: () => field.focus(),
    key(event) {
      if (event.key === "Escape" && !story.element.hidden) story.close();
      else if (event.key === "f") field.focus();
      else if (event.key === "ArrowDown" && !rows.current()) rows.focus(rows.index());
      else if (rows.current() && (event.key === "Delete" || event.key === "Backspace")) {
        const at = rows.index();
        act("delete", rows.current());
        requestAnimationFrame(() => rows.focus(at));
      } else if (rows.current() && event.key === "r" && canRetry(rows.current())) act("retry", rows.current());
      else return false;
      return true;
    },
    end() {
      call.abort();
      applySoon.cancel();
      reloadSoon.cancel();
      for (const end of ends) end();
    },
  };
}
