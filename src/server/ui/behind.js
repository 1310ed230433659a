// The view "Behind it", for whoever runs the service: what it is busy with, where it keeps things, and how the last question was answered.

import { Problem, getJson, request } from "./api.js";
import { asking, recentQuestions } from "./asking.js";
import { fill, h } from "./dom.js";
import { findings, flow } from "./flow.js";
import { bytes, count, duration, number } from "./format.js";
import { icon } from "./icons.js";
import { live, refreshStatus } from "./live.js";
import { askAddress } from "./routes.js";

const SAMPLE_MS = 2000;
const SAMPLES = 60;
/** Pages a second over the last two minutes, oldest first. Goes on where the view was left. */
const rates = [];

export function mount(root) {
  const tiles = h("div", { class: "tiles" });
  const explained = h("section", { class: "panel", "aria-labelledby": "flow-title" });
  const tables = h("div", { class: "behind-tables" });
  root.append(h("h1", { class: "behind-title" }, "Behind it"), tiles, explained, tables);
  let plan = "";
  let tablesShown = "";

  function draw({ status }) {
    if (!status) {
      fill(tiles, Array.from({ length: 5 }, () => h("div", { class: "tile" }, h("div", { class: "line skeleton" }), h("div", { class: "line short skeleton" }))));
      return;
    }
    fill(tiles, tilesOf(status));
    // Tables hold links and can have the focus: they are made anew only when they changed.
    const next = JSON.stringify([status.collections, status.version, status.watched, status.formats]);
    if (next !== tablesShown) fill(tables, collectionsTable(status), aboutTable(status));
    tablesShown = next;
  }

  async function explain() {
    const asked = asking.get().asked ?? (recentQuestions()[0] ? { question: recentQuestions()[0], collection: "", plan: "" } : null);
    const head = h("h2", { id: "flow-title" }, "How the last question was searched");
    if (!asked) {
      fill(explained, head, h("p", { class: "quiet" }, "Nothing was asked in this tab yet. "), h("p", {}, h("a", { href: "#/ask" }, "Ask something"), ", then come back: every stage of the search is drawn here, with its candidates and its time."));
      return;
    }
    const plans = live.get().status?.collections.find(({ name }) => !asked.collection || name === asked.collection)?.plans ?? [];
    const choice = h("select", { "aria-label": "Plan", onChange: () => { plan = choice.value; explain(); } }, h("option", { value: "" }, "as asked"), plans.map((name) => h("option", { value: name }, name)));
    choice.value = plan;
    const place = h("div", { class: "flow-place" }, h("div", { class: "line skeleton" }), h("div", { class: "line skeleton" }), h("div", { class: "line short skeleton" }));
    fill(explained, h("div", { class: "panel-head" }, head, h("label", {}, h("span", { class: "quiet" }, "Plan"), choice)), h("p", { class: "asked-question" }, h("a", { href: askAddress(asked) }, asked.question)), place);
    try {
      const body = { query: asked.question, explain: true, limit: 5, ...(asked.collection ? { collection: asked.collection } : {}), ...(plan || asked.plan ? { plan: plan || asked.plan } : {}), ...(asked.document ? { filter: { document: asked.document } } : {}) };
      const found = await (await request("/v1/search", { method: "POST", body })).json();
      fill(place, found.explain?.stages?.length ? [flow(found, asked.question, asked.collection), found.hits.length > 0 ? findings(found, asked.question, asked.collection) : null] : h("p", { class: "quiet" }, "This search tells nothing of its stages."));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      fill(place, h("p", {}, error.detail, " "), h("button", { class: "outline", type: "button", onClick: explain }, icon("retry"), "Try again"));
    }
  }

  const timer = setInterval(() => { if (!document.hidden) refreshStatus(); }, SAMPLE_MS);
  let known = Boolean(live.get().status);
  const end = live.subscribe((state) => {
    if (state.status) {
      rates.push(state.status.pages_per_second ?? 0);
      if (rates.length > SAMPLES) rates.shift();
    }
    draw(state);
    // The plans that can be chosen come with the first status.
    if (!known && state.status) explain();
    known = Boolean(state.status);
  });
  return {
    title: () => "Behind it",
    update() {
      draw(live.get());
      explain();
    },
    focus() {},
    end() {
      clearInterval(timer);
      end();
    },
  };
}

function tile(title, figure, detail, more = null) {
  return h("section", { class: "tile" }, h("h2", {}, title), h("p", { class: "figure" }, figure), h("p", { class: "quiet" }, detail), more);
}

function tilesOf({ queue, pages_per_second, store, model, disk }) {
  const { queued = 0, processing = 0, oldest_s, paused } = queue ?? {};
  const waiting = oldest_s ? `the oldest waits ${duration(oldest_s * 1000)}` : "nothing waits";
  const used = disk ? disk.used_bytes / (disk.used_bytes + disk.free_bytes) : 0;
  return [
    tile("Queue", queued + processing === 0 ? "Empty" : count(queued + processing, "document"), paused ? `Paused: ${paused === true ? "by a person" : paused}` : queued + processing === 0 ? waiting : `${number(processing)} being read, ${waiting}`),
    tile("Speed", `${(pages_per_second ?? 0).toFixed(1)} pages/s`, "the last two minutes", spark()),
    tile("Store", { edge: "In this process", qdrant: "Qdrant server" }[store?.kind] ?? store?.kind ?? "–", store?.url ?? "one folder, no service beside it"),
    tile("Model", model?.name?.split("@")[0] ?? "–", [model?.name?.split("@")[1], model?.device && `on ${model.device.toUpperCase()}`].filter(Boolean).join(", ")),
    tile("Disk", disk ? bytes(disk.used_bytes) : "–", disk ? `used here, ${bytes(disk.free_bytes)} free` : "", disk && h("span", { class: "stage-bar", role: "img", "aria-label": `${Math.round(used * 100)}% of what there is is used here` }, h("span", { css: { width: `${Math.max(0.5, used * 100)}%` } }))),
  ];
}

const SVG = "http://www.w3.org/2000/svg";

function spark() {
  const svg = document.createElementNS(SVG, "svg");
  const most = Math.max(...rates, 1);
  for (const [name, value] of Object.entries({ viewBox: `0 0 ${SAMPLES - 1} 20`, preserveAspectRatio: "none", class: "spark", "aria-hidden": "true" })) svg.setAttribute(name, value);
  const line = document.createElementNS(SVG, "polyline");
  const from = SAMPLES - rates.length;
  line.setAttribute("points", rates.map((rate, index) => `${from + index},${(19 - (rate / most) * 18).toFixed(1)}`).join(" "));
  svg.append(line);
  return svg;
}

function collectionsTable({ collections }) {
  return h("section", { class: "panel" }, h("h2", {}, "Collections"),
    collections.length === 0 ? h("p", { class: "quiet" }, "None yet: the first document makes one.") : h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Collections" }, h("table", {},
      h("thead", {}, h("tr", {}, ["Name", "Documents", "Pages", "Model", "Plans"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, collections.map(({ name, documents, pages, model, plans, plan, building }) => h("tr", {},
        h("th", { scope: "row" }, name, building && h("span", { class: "state processing" }, icon("processing"), typeof building === "string" ? building : "being built anew")),
        h("td", {}, number(documents)), h("td", {}, number(pages)), h("td", {}, model),
        h("td", {}, plans.map((one, index) => [index > 0 ? ", " : "", one === plan ? h("strong", {}, one) : one]))))))));
}

function aboutTable({ version, watched = [], formats = [] }) {
  const rows = [
    ["Version", version], ["Watched folders", watched.length > 0 ? watched.map(({ path, collection }) => h("div", {}, h("code", {}, path), h("span", { class: "quiet" }, ` into ${collection}`))) : "none"],
    ["Kinds of files", formats.join(", ")], ["For programs", [h("a", { href: "/reference" }, "reference"), ", ", h("a", { href: "/openapi.json" }, "OpenAPI"), ", ", h("a", { href: "/metrics" }, "metrics")]],
  ];
  return h("section", { class: "panel" }, h("h2", {}, "This service"), h("dl", { class: "about" }, rows.map(([term, what]) => h("div", {}, h("dt", {}, term), h("dd", {}, what)))));
}
