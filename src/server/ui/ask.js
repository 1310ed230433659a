// The view "Ask": the question, the answer at the left, its evidence at the right.

import { getJson } from "./api.js";
import { ask, asking, isAsking, recentQuestions, sameQuestion, stopAsking } from "./asking.js";
import { fill, h } from "./dom.js";
import { count, fileName } from "./format.js";
import { icon } from "./icons.js";
import { live, onEvent, pagesOf } from "./live.js";
import { askAddress } from "./routes.js";
import { createShelf } from "./shelf.js";
import { startPanel } from "./start.js";
import { uploadTo } from "./uploads.js";

/** Mounts the view in `root`; returns {update(route), focus(), end()}. */
export function mount(root) {
  const form = questionForm();
  const below = h("div", { class: "desk" });
  root.append(h("h1", { class: "away" }, "Ask your documents"), form.element, below);
  const working = new Map();
  const shelf = createShelf();
  const start = h("div");
  let startShown = "";
  let desk = null;
  let lastMode = "";
  let ended = false;

  function drawStart() {
    desk?.end();
    desk = null;
    const { status } = live.get();
    // Made anew only when something changed: it has links, and somebody may have the focus on one.
    const next = JSON.stringify([status?.collections, status?.queue?.queued, status?.queue?.processing, status?.watched, [...working.values()], recentQuestions()]);
    if (next !== startShown) fill(start, startPanel(status, [...working.values()]));
    startShown = next;
    if (!start.isConnected) {
      below.className = "desk";
      fill(below, start, shelf.element);
    }
    if (pagesOf()) shelf.load();
  }

  async function draw(state) {
    form.busy(isAsking(state.phase));
    if (!state.asked) return drawStart();
    if (!desk) {
      // The parts that show an answer come after the first paint; by the time a question is written they are there.
      const { mountDesk } = await loadDesk();
      if (ended || !asking.get().asked) return null;
      below.className = "desk asked";
      desk ??= mountDesk(below, { retry: () => ask(asking.get().asked), pages: () => pagesOf(asking.get().asked.collection) });
    }
    const now = asking.get();
    // The mode of the last answer is the best guess at the next one's, so that its words don't change their look at the end.
    if (now.done) lastMode = now.done.mode;
    return desk.draw({ ...now, mode: now.mode ?? lastMode });
  }
  (window.requestIdleCallback ?? setTimeout)(() => loadDesk());

  const ends = [
    asking.subscribe(draw),
    live.subscribe(({ status }) => { form.offer(status); if (!asking.get().asked) draw(asking.get()); }),
    onEvent(({ event, data }) => {
      const known = working.get(data.document_id) ?? { name: fileName(data.source ?? ""), progress: null };
      if (event === "opened") known.progress = { pages_done: 0, pages: data.pages };
      if (event === "page" && known.progress) known.progress.pages_done++;
      if (["indexed", "rejected", "dead"].includes(event)) working.delete(data.document_id);
      else working.set(data.document_id, known);
      if (!asking.get().asked) draw(asking.get());
    }),
  ];
  form.offer(live.get().status);
  getJson("/v1/documents?state=processing&limit=5").then(({ documents }) => {
    for (const one of documents) if (!working.has(one.document_id)) working.set(one.document_id, { name: fileName(one.source), progress: one.progress });
    if (!asking.get().asked) draw(asking.get());
  }).catch(() => {});

  return {
    title: () => asking.get().asked?.question ?? "Ask",
    update({ query }) {
      const asked = {
        question: query.get("q") ?? "", collection: query.get("collection") ?? "", plan: query.get("plan") ?? "",
        extractive: query.get("extractive") === "1" ? "1" : "", document: query.get("document") ?? "",
      };
      form.set(asked);
      if (!asked.question) {
        stopAsking();
        asking.set({ asked: null, phase: "idle" });
      } else if (!sameQuestion(asked, asking.get().asked)) ask(asked);
      else draw(asking.get());
    },
    focus: form.focus,
    end() {
      ended = true;
      desk?.end();
      for (const end of ends) end();
    },
  };
}

let deskParts = null;

/** The module of an answer; tried again until it is there, for a service may be away for a moment. */
async function loadDesk() {
  for (;;) {
    deskParts ??= import("./desk.js");
    try {
      return await deskParts;
    } catch {
      deskParts = null;
      await new Promise((later) => setTimeout(later, 1000));
    }
  }
}

/** The question, and where and how to look. */
function questionForm() {
  const field = h("textarea", { id: "question", rows: "1", placeholder: "What do you want to know?", "aria-label": "Question", autocomplete: "off", enterkeyhint: "search", maxlength: "2000" });
  const button = h("button", { class: "solid ask-button" });
  const collection = h("select", { id: "collection" });
  const plan = h("select", { id: "plan" });
  const quote = h("input", { type: "checkbox", id: "extractive" });
  const only = h("span", { class: "only", hidden: true });
  let document = "";
  let wanted = { collection: "", plan: "" };
  let collections = [];
  let busy = false;

  function grow() {
    field.style.setProperty("height", "auto");
    field.style.setProperty("height", `${Math.min(field.scrollHeight, 160)}px`);
  }
  function go() {
    const question = field.value.trim();
    if (!question) return field.focus();
    const asked = { question, collection: collection.value, plan: plan.value, extractive: quote.checked ? "1" : "", document };
    const target = askAddress(asked);
    if (location.hash === target) ask(asked);
    else location.hash = target;
    return null;
  }
  function plans() {
    const chosen = collections.find(({ name }) => name === collection.value) ?? collections[0];
    fill(plan, h("option", { value: "" }, chosen?.plan ?? "usual"), (chosen?.plans ?? []).filter((name) => name !== chosen.plan).map((name) => h("option", { value: name }, name)));
    plan.value = [...plan.options].some(({ value }) => value === wanted.plan) ? wanted.plan : "";
  }
  field.addEventListener("input", grow);
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    go();
  });
  collection.addEventListener("change", () => { wanted.collection = collection.value; uploadTo(collection.value); plans(); });
  plan.addEventListener("change", () => { wanted.plan = plan.value; });
  const element = h("form", { class: "question", role: "search", onSubmit: (event) => { event.preventDefault(); if (busy) stopAsking(); else go(); } },
    h("div", { class: "question-line" }, field, button),
    h("div", { class: "question-how" },
      h("label", {}, h("span", { class: "narrow-away" }, "In"), collection), h("label", {}, h("span", {}, "Plan"), plan),
      h("label", { title: "Quote the pages, even where a model could write an answer" }, quote, h("span", {}, "Quotes only")), only));
  const self = {
    element,
    focus() { field.focus(); field.select(); },
    busy(now) {
      busy = now;
      const label = now ? "Stop" : "Ask";
      if (button.textContent !== label) fill(button, icon(now ? "stop" : "send"), h("span", {}, label)).setAttribute("aria-label", label);
    },
    offer(status) {
      collections = status?.collections ?? [];
      const several = collections.length > 1;
      fill(collection, collections.length === 0 ? h("option", { value: "" }, "documents") : collections.map(({ name, pages }) => h("option", { value: several ? name : "" }, several ? `${name} (${count(pages, "page")})` : name)));
      const usual = [wanted.collection, "documents"].find((name) => [...collection.options].some(({ value }) => value === name));
      if (usual) collection.value = usual;
      uploadTo(collection.value);
      plans();
    },
    set(asked) {
      field.value = asked.question;
      wanted = { collection: asked.collection, plan: asked.plan };
      quote.checked = Boolean(asked.extractive);
      document = asked.document;
      only.hidden = !document;
      if (document) {
        const name = h("span", {}, "one document");
        fill(only, "Only in ", name, h("button", { type: "button", class: "plain round", "aria-label": "Ask all documents", onClick: () => { document = ""; only.hidden = true; if (field.value.trim()) go(); } }, icon("close")));
        getJson(`/v1/documents/${encodeURIComponent(document)}`).then(({ title, source }) => fill(name, title || fileName(source))).catch(() => {});
      }
      self.offer(live.get().status);
      requestAnimationFrame(grow);
    },
  };
  self.busy(false);
  return self;
}
