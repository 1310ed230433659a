// The frame of the page: views and their addresses, the keyboard, the theme. Views that aren't the first come when they are asked for.

import { getJson, keepKey, session } from "./api.js";
import { asking } from "./asking.js";
import { mount as mountAsk } from "./ask.js";
import { showKeys } from "./dialogs.js";
import { acceptDrops, chooseFiles, mountDock } from "./dock.js";
import { fill, h, isTyping } from "./dom.js";
import { icon } from "./icons.js";
import { follow, live, reconnect } from "./live.js";
import { askAddress, currentRoute } from "./routes.js";
import { toast } from "./toast.js";
import { catchUp } from "./uploads.js";

const VIEWS = {
  ask: { name: "Ask", load: async () => mountAsk },
  read: { name: "Read", style: "read.css", load: async () => (await import("./read.js")).mount },
  documents: { name: "Documents", style: "documents.css", load: async () => (await import("./documents.js")).mount },
  behind: { name: "Behind it", style: "behind.css", load: async () => (await import("./behind.js")).mount },
};

const root = document.getElementById("view");
let view = null;
let shown = null;
let turn = 0;

async function show() {
  const route = currentRoute();
  const name = VIEWS[route.view] ? route.view : "ask";
  const mine = ++turn;
  if (shown !== name) {
    let mount;
    try {
      [mount] = await Promise.all([VIEWS[name].load(), style(VIEWS[name].style)]);
    } catch {
      toast(`“${VIEWS[name].name}” can't be loaded: the service doesn't answer.`, { action: { label: "Try again", run: show } });
      return;
    }
    // Somebody went on while it was loading.
    if (mine !== turn) return;
    view?.end();
    root.replaceChildren();
    root.className = `view-${name}`;
    view = mount(root);
    const first = shown === null;
    shown = name;
    for (const link of document.querySelectorAll(".views a")) {
      if (link.dataset.view === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    scrollTo(0, 0);
    if (!first) root.focus({ preventScroll: true });
  }
  view.update(route);
  document.title = `${view.title?.() || VIEWS[name].name} · Quire`;
}

/** Resolves when the style sheet is there, so that a view never stands unstyled. */
function style(file) {
  if (!file || document.querySelector(`link[href="/assets/${file}"]`)) return null;
  return new Promise((done) => document.head.append(h("link", { rel: "stylesheet", href: `/assets/${file}`, onLoad: done, onError: done })));
}

let leader = 0;

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (isTyping(event)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const led = performance.now() - leader < 1200;
  leader = 0;
  const target = led && { a: "#/ask", d: "#/documents", b: "#/behind" }[event.key];
  if (target) location.hash = target;
  else if (event.key === "g") leader = performance.now();
  else if (event.key === "/") toQuestion();
  else if (event.key === "?") showKeys();
  else if (event.key === "u") chooseFiles();
  else if (!view?.key?.(event)) return;
  event.preventDefault();
}

async function toQuestion() {
  if (shown !== "ask") {
    location.hash = document.querySelector('.views [data-view="ask"]').getAttribute("href");
    await show();
  }
  view.focus();
}

const THEMES = ["auto", "light", "dark"];
const THEME_ICONS = { auto: "auto", light: "sun", dark: "moon" };

function themeButton() {
  const button = h("button", { class: "plain round", type: "button" });
  const draw = () => {
    const now = document.documentElement.dataset.theme ?? "auto";
    fill(button, icon(THEME_ICONS[now]));
    const label = `Colours: ${now === "auto" ? "as the system has them" : now}`;
    button.setAttribute("aria-label", label);
    button.title = label;
  };
  button.addEventListener("click", () => {
    const now = document.documentElement.dataset.theme ?? "auto";
    const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
    if (next === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    try {
      if (next === "auto") localStorage.removeItem("quire.theme");
      else localStorage.setItem("quire.theme", next);
    } catch {
      // A browser that keeps nothing.
    }
    draw();
  });
  draw();
  return button;
}

function keyButton() {
  const button = h("button", { class: "plain round", type: "button", "aria-label": "Forget the key", title: "Forget the key that this tab holds", onClick: () => { keepKey(null); location.reload(); } }, icon("key"));
  const draw = () => { button.hidden = !session.get().key; };
  session.subscribe(draw);
  draw();
  return button;
}

function connectionBar(place) {
  let was = true;
  live.subscribe(({ connected }) => {
    if (connected === was) return;
    if (connected && was === false) catchUp((id) => getJson(`/v1/documents/${id}`));
    was = connected;
    if (connected) place.replaceChildren();
    else fill(place, h("div", { class: "lost" }, icon("broken"), h("span", {}, "The connection to the service is lost. What you see stays; it is tried again by itself."), h("button", { class: "plain", type: "button", onClick: reconnect }, "Try now")));
  });
}

/** "Ask" leads back to the answer that stands; from there, to a new question. */
function askLink() {
  const link = document.querySelector('.views [data-view="ask"]');
  asking.subscribe(({ asked }) => link.setAttribute("href", asked ? askAddress(asked) : "#/ask"));
  link.addEventListener("click", (event) => {
    if (shown !== "ask") return;
    event.preventDefault();
    location.hash = "#/ask";
    view.focus();
  });
}

for (const link of document.querySelectorAll(".views a")) link.append(icon(link.dataset.view), h("span", {}, VIEWS[link.dataset.view].name));
document.getElementById("tools").append(
  h("button", { class: "outline add", type: "button", title: "Add files (u)", onClick: chooseFiles }, icon("upload"), h("span", {}, "Add files")),
  keyButton(), themeButton(),
  h("button", { class: "plain round", type: "button", "aria-label": "Keys", title: "Keys (?)", onClick: showKeys }, icon("help")));
askLink();
mountDock(document.getElementById("dock"));
connectionBar(document.getElementById("connection"));
acceptDrops();
addEventListener("keydown", onKey);
addEventListener("hashchange", show);
show();
follow();
