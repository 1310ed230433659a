// One question and what came of it. Lives outside of the views: an answer goes on being written while a page is read.

import { Problem, stream } from "./api.js";
import { store } from "./dom.js";

/**
 * {asked: {question, collection, plan, extractive, document} or null,
 *  phase: idle | searching | reading | writing | done | broken | failed,
 *  hits, text, citations, done (the whole response), problem, plan, timings_ms, started (ms), mode}
 */
export const asking = store({ asked: null, phase: "idle" });

let current = null;

export const sameQuestion = (one, other) =>
  Boolean(one && other) && ["question", "collection", "plan", "extractive", "document"].every((name) => (one[name] || "") === (other[name] || ""));

/** Asks. Whatever was being asked before is given up. */
export async function ask(asked) {
  stopAsking();
  const call = new AbortController();
  current = call;
  const set = (change) => { if (current === call) asking.set(change); };
  remember(asked);
  set({ asked, phase: "searching", hits: null, text: "", citations: [], done: null, problem: null, plan: null, timings_ms: null, started: performance.now(), mode: asked.extractive ? "extractive" : null });
  const body = {
    question: asked.question, stream: true,
    ...(asked.collection ? { collection: asked.collection } : {}), ...(asked.plan ? { plan: asked.plan } : {}),
    ...(asked.extractive ? { extractive: true } : {}), ...(asked.document ? { filter: { document: asked.document } } : {}),
  };
  try {
    for await (const { event, data } of stream("/v1/ask", { method: "POST", body, signal: call.signal })) {
      const now = asking.get();
      if (event === "retrieval") set({ phase: "reading", hits: data.hits, plan: data.plan, timings_ms: data.timings_ms, mode: data.mode ?? now.mode });
      else if (event === "delta") set({ phase: "writing", text: now.text + data.text });
      else if (event === "citation") set({ citations: [...now.citations.filter(({ marker }) => marker !== data.marker), data] });
      else if (event === "error") throw new Problem(data.status ?? 500, data.detail ?? "The service could not answer.", data.retry_after_s);
      else if (event === "done") set({ phase: "done", done: data, text: data.answer, citations: data.citations, mode: data.mode, plan: data.plan, timings_ms: data.timings_ms, hits: now.hits ?? data.hits ?? [] });
    }
    if (current === call && asking.get().phase !== "done") throw new Problem(0, "The answer broke off.");
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof Problem)) throw error;
    // What stands stays: pages that were found, words that were written.
    set({ phase: asking.get().hits ? "broken" : "failed", problem: error });
  }
}

/** Gives up what is being asked; what stands stays. */
export function stopAsking() {
  const { phase } = asking.get();
  current?.abort();
  current = null;
  if (phase === "searching") asking.set({ phase: "idle", asked: null });
  else if (phase === "reading" || phase === "writing") asking.set({ phase: "broken", problem: new Problem(0, "Stopped.") });
}

export const isAsking = (phase) => phase === "searching" || phase === "reading" || phase === "writing";

const RECENT = "quire.recent";

/** The last questions of this tab, newest first. */
export function recentQuestions() {
  try {
    return JSON.parse(sessionStorage.getItem(RECENT) ?? "[]");
  } catch {
    return [];
  }
}

function remember({ question }) {
  try {
    sessionStorage.setItem(RECENT, JSON.stringify([question, ...recentQuestions().filter((other) => other !== question)].slice(0, 5)));
  } catch {
    // A browser that keeps nothing.
  }
}
