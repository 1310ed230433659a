// Dialogs: the keys of the keyboard, and the question for a key of the service.

import { fill, h } from "./dom.js";
import { icon } from "./icons.js";

const KEYS = [
  ["Everywhere", [["/", "to the question"], ["?", "these keys"], ["g a", "Ask"], ["g d", "Documents"], ["g b", "Behind it"], ["u", "add files"]]],
  ["Reading a page", [["← →", "one word of the question after another"], ["PgUp PgDn", "previous and next page"], ["+ − 0", "larger, smaller, as it was"], ["t", "the page's text"], ["o", "the original, at this page"], ["c", "copy a link to this page"], ["Esc", "back to the answer"]]],
  ["Documents", [["↑ ↓", "from row to row"], ["Enter", "its story"], ["r", "try again"], ["Del", "delete (can be undone)"], ["f", "filter"]]],
];

function open(dialog) {
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.showModal();
}

export function showKeys() {
  if (document.querySelector("dialog[open]")) return;
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "keys-title" },
    h("div", { class: "dialog-head" },
      h("h2", { id: "keys-title" }, "Keys"),
      h("button", { class: "plain round", type: "button", "aria-label": "Close", onClick: () => dialog.close() }, icon("close"))),
    h("div", { class: "keys" }, KEYS.map(([title, keys]) => h("section", {},
      h("h3", {}, title),
      h("dl", {}, keys.map(([key, what]) => h("div", {}, h("dt", {}, key.split(" ").map((one) => h("kbd", {}, one))), h("dd", {}, what))))))));
  open(dialog);
}

/** Asks for the service's key. Resolves to it, or to null where nobody gives one. */
export function askForKey(wrong) {
  return new Promise((answer) => {
    const field = h("input", { type: "password", id: "key", autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": "key-note" });
    let given = null;
    const note = h("p", { id: "key-note", class: "quiet" });
    fill(note, wrong ? "The key that this tab holds is not accepted. " : "", "It stays in this tab, and is forgotten when the tab is closed. Whoever runs the service makes keys.");
    const dialog = h("dialog", { class: "dialog small", "aria-labelledby": "key-title" },
      h("form", { onSubmit: (event) => { event.preventDefault(); given = field.value.trim() || null; dialog.close(); } },
        h("div", { class: "dialog-head" }, h("h2", { id: "key-title" }, icon("key"), wrong ? "Another key, please" : "This service needs a key")),
        h("label", { for: "key" }, "Key"), field, note,
        h("div", { class: "row end" },
          h("button", { type: "button", class: "plain", onClick: () => dialog.close() }, "Not now"),
          h("button", { class: "solid" }, "Use this key"))));
    open(dialog);
    dialog.addEventListener("close", () => answer(given));
    field.focus();
  });
}
