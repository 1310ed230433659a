// The mock's answers: quotes of what its search found, or, in the mode of a model, a few composed sentences with markers.

import { quote, words } from "./search.mjs";

/** Composed answers that a model might give; the markers stand for the pages found, best first. */
const COMPOSED = [
  [/E-201/i, "**E-201** means *echo lost*: the gauge no longer receives its own signal. [1]\n\nDo this, in this order:\n\n1. Brush spider webs and salt from the horn. [1]\n2. Look for a boat or ice in the beam. [1]\n3. If the code stays, read register `30007` over Modbus: it holds 201 for E-201. [2]\n\nWhile the error lasts the echo light is red and the alarm relay stays open. [1]"],
  [/passengers/i, "In 2024/25 **81,315** passengers travelled between Port Tarrow and Ness Isle, up from 74,900 the year before, a rise of 8.6%. [1] The report notes that this happened although the berth on Ness Isle was closed in October. [1]"],
];

/** {answer, mode, supported, complete, citations, nearest?, notes} as `quire ask --json` says it. */
export function answer(question, hits, mode, describe, say = null) {
  const good = hits.filter((hit) => hit.coverage >= 0.55);
  if (good.length === 0) {
    const nearest = hits.slice(0, 3).map(describe);
    const names = nearest.map((page) => `page ${page.page} of ${page.title}`).join("; ");
    return { answer: `Nothing was found that answers this: no page found says ${words(question).kept.map((word) => `'${word}'`).join(" or ")}. Nearest: ${names}.`, mode: "extractive", supported: false, complete: true, citations: [], nearest, notes: [] };
  }
  if (mode === "vlm") {
    const text = say ?? COMPOSED.find(([pattern]) => pattern.test(question))?.[1] ?? `The page says: ${quote(good[0].content, question)} [1]`;
    return { answer: text, mode: "vlm", supported: true, complete: true, ...cite(text, hits, describe), notes: [] };
  }
  if (mode === "vlm-unsupported") {
    const text = "The gauge should be replaced every five years by a certified engineer.";
    return { answer: text, mode: "vlm", supported: false, complete: true, citations: [], nearest: hits.slice(0, 3).map(describe), notes: ["The answer names no page that it was given."] };
  }
  const parts = good.slice(0, 2).map((hit, index) => {
    if (hit.content.scanned) return `The best match is page ${hit.page} of ${hit.document.title}, which has no text layer to quote: look at its image. [${index + 1}]`;
    return `${quote(hit.content, question)} [${index + 1}]`;
  });
  const text = parts.join(" ");
  return { answer: text, mode: "extractive", supported: true, complete: true, ...cite(text, hits, describe), notes: [] };
}

function cite(text, hits, describe) {
  const markers = [...new Set([...text.matchAll(/\[(\d+)\]/g)].map((match) => Number(match[1])))].sort();
  return { citations: markers.filter((number) => hits[number - 1]).map((number) => ({ marker: `[${number}]`, ...describe(hits[number - 1]) })) };
}

/** The stages of the plan `hybrid`, as `explain` tells them. */
export function explain(hits) {
  const stages = [
    { stage: "1.1", using: "anchors", limit: 800, candidates: 37, ms: 14.48, own_ms: 14.48 },
    { stage: "1.2", using: "text", limit: 400, candidates: 12, ms: 1.916, own_ms: 1.916 },
    { stage: "1", using: "patches", limit: 1200, candidates: 41, ms: 25.6, own_ms: 9.212 },
    { stage: "2", using: "text", limit: 400, candidates: 12, ms: 1.977, own_ms: 1.977 },
    { stage: "final", using: "sum", limit: 5, candidates: hits.length, ms: 31.9, own_ms: 4.277 },
  ];
  return {
    stages,
    hits: hits.map((hit, index) => ({
      document_id: hit.document.id, page: hit.page,
      found_by: stages.filter((stage) => hit.coverage > 0.3 || stage.using !== "text").map(({ stage, using }, at) => ({
        stage, using, rank: stage === "final" ? index + 1 : 1 + ((index * 3 + at * 2) % 9), score: Number((hit.relevance * (at + 1)).toFixed(3)),
      })),
    })),
  };
}
