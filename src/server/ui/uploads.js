// Files on their way into the service, from the drop to the last page. Lives outside of every view, so that moving about stops nothing.

import { credentials, needKey, problemOf, session } from "./api.js";
import { store } from "./dom.js";
import { onEvent } from "./live.js";

/** At once, so that one large file doesn't hold up the small ones, and the service isn't flooded. */
const AT_ONCE = 2;

/**
 * {items: [{id, name, size, phase, sent, pages, pages_done, document_id, reason}]}, phases: waiting, sending, busy (the service asked
 * to wait), queued, processing, indexed, failed (the upload), rejected (the document).
 */
export const uploads = store({ items: [] });

const files = new Map();
let running = 0;
let target = "";

/** The collection that files go to; empty: the service's own choice. */
export function uploadTo(collection) {
  target = collection ?? "";
}

/** Sends `list` (File objects). */
export function addFiles(list) {
  const items = [...list].map((file) => {
    const id = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
    files.set(id, file);
    return { id, name: file.name, size: file.size, phase: "waiting", sent: 0, collection: target };
  });
  if (items.length === 0) return;
  uploads.set({ items: [...uploads.get().items, ...items] });
  next();
}

/** Tries an upload that failed again. */
export function again(id) {
  change(id, { phase: "waiting", sent: 0, reason: null });
  next();
}

/** Takes everything that has ended off the list. */
export function clearEnded() {
  const items = uploads.get().items.filter(({ phase }) => !hasEnded(phase));
  for (const id of files.keys()) if (!items.some((item) => item.id === id)) files.delete(id);
  uploads.set({ items });
}

export const hasEnded = (phase) => phase === "indexed" || phase === "failed" || phase === "rejected";

function change(id, fields) {
  uploads.set({ items: uploads.get().items.map((item) => (item.id === id ? { ...item, ...fields } : item)) });
}

async function next() {
  while (running < AT_ONCE) {
    const item = uploads.get().items.find(({ phase }) => phase === "waiting");
    if (!item) return;
    running++;
    change(item.id, { phase: "sending" });
    send(item).finally(() => {
      running--;
      next();
    });
  }
}

async function send(item) {
  for (;;) {
    const held = session.get().key;
    const { status, told, problem } = await post(item);
    if (status === 202 || status === 200) {
      const document = told.documents?.[0] ?? {};
      files.delete(item.id);
      return change(item.id, { phase: phaseOf(document.state), document_id: document.document_id, reason: document.reason, ...document.progress });
    }
    if (status === 401 && (held !== session.get().key || (await needKey(Boolean(held))))) continue;
    if ((status === 429 || status === 503) && problem.retry_after_s) {
      change(item.id, { phase: "busy", reason: problem.detail });
      await new Promise((resume) => setTimeout(resume, problem.retry_after_s * 1000));
      change(item.id, { phase: "sending", sent: 0 });
      continue;
    }
    return change(item.id, { phase: "failed", reason: status === 0 ? "The connection was lost." : problem.detail });
  }
}

const phaseOf = (state) => ({ indexed: "indexed", rejected: "rejected", dead: "rejected", processing: "processing" })[state] ?? "queued";

/** One attempt. `fetch` tells nothing of how much was sent, XMLHttpRequest does. */
function post(item) {
  return new Promise((done) => {
    const call = new XMLHttpRequest();
    call.open("POST", "/v1/documents");
    for (const [name, value] of Object.entries(credentials())) call.setRequestHeader(name, value);
    // The same for every attempt of one upload: what arrived twice counts once.
    call.setRequestHeader("idempotency-key", item.id);
    call.upload.addEventListener("progress", ({ loaded, total }) => change(item.id, { sent: total ? loaded / total : 0 }));
    call.addEventListener("error", () => done({ status: 0 }));
    call.addEventListener("load", async () => {
      const { status, responseText } = call;
      if (status >= 200 && status < 300) return done({ status, told: JSON.parse(responseText) });
      const headers = new Headers();
      const wait = call.getResponseHeader("retry-after");
      if (wait) headers.set("retry-after", wait);
      return done({ status, problem: await problemOf(new Response(responseText, { status, headers })) });
    });
    const form = new FormData();
    if (item.collection) form.append("collection", item.collection);
    form.append("file", files.get(item.id), item.name);
    call.send(form);
  });
}

onEvent(({ event, data }) => {
  const item = uploads.get().items.find(({ document_id }) => document_id && document_id === data.document_id);
  if (!item) return;
  const changes = {
    started: { phase: "processing" },
    opened: { phase: "processing", pages: data.pages, pages_done: 0 },
    page: { phase: "processing", pages_done: Math.max((item.pages_done ?? 0) + 1, item.pages_done ?? 0) },
    page_failed: { pages_done: (item.pages_done ?? 0) + 1 },
    indexed: { phase: "indexed", pages_done: item.pages },
    rejected: { phase: "rejected", reason: data.reason },
    dead: { phase: "rejected", reason: data.reason },
    retrying: { phase: "queued", reason: data.reason },
    given_back: { phase: "queued" },
  };
  if (changes[event]) change(item.id, changes[event]);
});

/** Asks for the state of documents whose events may have been missed (a broken stream). */
export async function catchUp(getDocument) {
  for (const item of uploads.get().items.filter(({ document_id, phase }) => document_id && !hasEnded(phase))) {
    const document = await getDocument(item.document_id).catch(() => null);
    if (document) change(item.id, { phase: phaseOf(document.state), reason: document.reason, ...document.progress });
  }
}

/** Every file of a drop, folders walked. */
export async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (entries.length === 0) return [...transfer.files];
  const found = [];
  const walk = async (entry) => {
    if (entry.isFile) return found.push(await new Promise((give, fail) => entry.file(give, fail)));
    const reader = entry.createReader();
    // A reader gives a hundred entries at a time, and none at the end.
    for (;;) {
      const some = await new Promise((give, fail) => reader.readEntries(give, fail));
      if (some.length === 0) return null;
      for (const one of some) await walk(one);
    }
  };
  for (const entry of entries) await walk(entry);
  return found.filter(({ name }) => !name.startsWith("."));
}
