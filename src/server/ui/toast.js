// Short messages at the foot of the page, one action each. They wait while somebody points at them or has the focus in them.

import { h } from "./dom.js";
import { icon } from "./icons.js";

const STAYS_MS = 8000;

/**
 * Shows `text`. `action`: {label, run}. `onGone` is called when it goes without the action having been taken.
 * Returns a function that takes it away at once (as if its time were up).
 */
export function toast(text, { action, onGone, stays_ms = STAYS_MS } = {}) {
  let left = stays_ms;
  let since = 0;
  let timer = 0;
  const close = (taken) => {
    if (!element.isConnected) return;
    clearTimeout(timer);
    element.remove();
    if (!taken) onGone?.();
  };
  const resume = () => {
    clearTimeout(timer);
    since = performance.now();
    timer = setTimeout(() => close(false), left);
  };
  const pause = () => {
    clearTimeout(timer);
    left = Math.max(1500, left - (performance.now() - since));
  };
  const element = h("div", { class: "toast", onPointerenter: pause, onPointerleave: resume, onFocusin: pause, onFocusout: resume },
    h("span", {}, text),
    action && h("button", { class: "plain", type: "button", onClick: () => { close(true); action.run(); } }, action.label),
    h("button", { class: "plain round", type: "button", "aria-label": "Dismiss", onClick: () => close(false) }, icon("close")));
  document.getElementById("toasts").append(element);
  resume();
  return () => close(false);
}
