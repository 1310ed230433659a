// `explain` drawn: the stages of a search as a flow from the question to the pages, and which stage found which page.

import { h } from "./dom.js";
import { count, duration, number, pageWords } from "./format.js";
import { readAddress } from "./routes.js";

/** What a stage does, by the vector that it uses. */
const MEANINGS = {
  anchors: "looks alike, by index", text: "words of the text layer", patches: "every patch compared", pooled: "patches, merged", rows: "means of rows", cols: "means of columns",
  fde: "one vector a page", sum: "scores added up", rrf: "ranks fused", dbsf: "scores fused", fusion: "fused",
};

/** The stages as a tree: `1.1` feeds `1`, `1` feeds `final`. */
export function treeOf(stages) {
  const nodes = new Map(stages.map((stage) => [stage.stage, { ...stage, feeds: [] }]));
  const root = nodes.get("final") ?? [...nodes.values()].at(-1);
  for (const [id, node] of nodes) {
    if (node === root) continue;
    const parent = nodes.get(id.split(".").slice(0, -1).join(".")) ?? root;
    parent.feeds.push(node);
  }
  return root;
}

/** `found`: a response of /v1/search with `explain`. */
export function flow(found, question, collection) {
  const { explain, hits, timings_ms } = found;
  const root = treeOf(explain.stages);
  const slowest = Math.max(...explain.stages.map(({ ms }) => ms), timings_ms.embed ?? 0, 0.001);
  const box = (title, what, amount, ms, { kind = "", hint = null } = {}) => h("div", { class: `stage-box ${kind}`, title: hint },
    h("strong", {}, title), h("span", { class: "quiet" }, what),
    h("span", { class: "stage-figures" }, h("span", {}, amount), ms !== null && h("span", {}, duration(ms))),
    ms !== null && h("span", { class: "stage-bar", "aria-hidden": "true" }, h("span", { css: { width: `${Math.max(1, (ms / slowest) * 100)}%` } })));
  const branch = (node) => h("li", { class: node.feeds.length > 0 ? "joint" : "leaf" },
    node.feeds.length > 0 ? h("ul", {}, node.feeds.map(branch)) : h("span", { class: "wire" }),
    box(node.using, MEANINGS[node.using] ?? "", count(node.candidates, "candidate"), node.ms, { hint: `Stage ${node.stage}: keeps at most ${number(node.limit)}` }));
  return h("div", { class: "flow", role: "group", "aria-label": "How the pages were found" },
    box("question", "embedded, a vector a word", "", timings_ms.embed ?? null, { kind: "end" }),
    h("span", { class: "wire short" }),
    h("ul", { class: "tree", css: { "--first": String(depthOf(root, 0)), "--last": String(depthOf(root, -1)) } }, branch(root)),
    box("pages", "shown, best first", count(hits.length, "page"), timings_ms.total ?? null, { kind: "end" }));
}

/** How many stages the first (0) or last (-1) of those that the question goes into feeds, itself included: the wire to it begins there. */
const depthOf = (node, side) => (node.feeds.length === 0 ? 1 : 1 + depthOf(node.feeds.at(side), side));

/** Which stage knew each page, and at which rank. */
export function findings({ explain, hits }, question, collection) {
  const titles = new Map(hits.map((hit) => [`${hit.document_id}/${hit.page}`, hit]));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Which stage found which page" }, h("table", {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Page"), explain.stages.map(({ stage, using }) => h("th", { scope: "col" }, using, h("span", { class: "quiet" }, ` ${stage}`))))),
    h("tbody", {}, explain.hits.map((hit) => {
      const known = titles.get(`${hit.document_id}/${hit.page}`) ?? hit;
      return h("tr", {}, h("th", { scope: "row" }, h("a", { href: readAddress(hit.document_id, hit.page, { question, collection }) }, known.title ?? hit.document_id), h("span", { class: "quiet" }, ` ${pageWords(known)}`)),
        explain.stages.map(({ stage }) => {
          const by = hit.found_by.find((one) => one.stage === stage);
          return h("td", {}, by ? [`#${by.rank}`, h("span", { class: "quiet" }, ` ${by.score.toFixed(2)}`)] : h("span", { class: "quiet" }, "–"));
        }));
    }))));
}
