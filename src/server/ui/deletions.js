// Deleting with a way back: a document is hidden at once and deleted when the time for undoing is up, or the page is left.

import { Problem, request } from "./api.js";
import { store } from "./dom.js";
import { toast } from "./toast.js";

/** {hidden: ids of documents that are not to be shown} */
export const deletions = store({ hidden: new Set() });

const waiting = new Map();

/** Hides `document` and deletes it a little later, unless that is undone. */
export function deleteLater({ document_id, title, source }) {
  hide(document_id, true);
  const name = title || source;
  const close = toast(`“${name.length > 40 ? `${name.slice(0, 38)}…` : name}” is deleted.`, {
    action: { label: "Undo", run: () => { waiting.delete(document_id); hide(document_id, false); } },
    onGone: () => remove(document_id, name),
  });
  waiting.set(document_id, close);
}

async function remove(id, name) {
  if (!waiting.delete(id)) return;
  try {
    await request(`/v1/documents/${encodeURIComponent(id)}`, { method: "DELETE", keepalive: true });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    // Gone already is as good.
    if (error.status === 404) return;
    hide(id, false);
    toast(`“${name}” was not deleted: ${error.detail}`);
  }
}

function hide(id, on) {
  const hidden = new Set(deletions.get().hidden);
  if (on) hidden.add(id);
  else hidden.delete(id);
  deletions.set({ hidden });
}

// What was promised as deleted is deleted, also when the page is closed at once.
addEventListener("pagehide", () => { for (const close of [...waiting.values()]) close(); });
