// A page to look at closely: zoom by keys, buttons, wheel and two fingers; pan by scrolling or dragging. Knows nothing of questions.

import { h } from "./dom.js";

const LEAST = 0.25;
const MOST = 6;
const STEP = 1.25;
/** A page is never made wider than this by itself, in CSS pixels: lines would grow too long for the eye. */
const WIDEST = 1000;

/** {element, sheet, show({width, height}), zoom(factor | 0), center(box), onZoom(listener)} */
export function createStage() {
  const sheet = h("div", { class: "sheet" });
  const element = h("div", { class: "stage", tabindex: "0", role: "region", "aria-label": "The page" }, sheet);
  const listeners = new Set();
  let aspect = Math.SQRT2;
  let scale = 1;
  let wanted = null;

  const room = () => {
    const style = getComputedStyle(element);
    return element.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  };
  const base = () => Math.min(WIDEST, Math.max(room(), 120));

  function layout() {
    const width = base() * scale;
    sheet.style.setProperty("width", `${width}px`);
    sheet.style.setProperty("height", `${width * aspect}px`);
    for (const listener of listeners) listener(scale, width);
  }

  /** Scales about a point of the stage (its middle without one), which stays where it is. */
  function scaleTo(next, x = element.clientWidth / 2, y = element.clientHeight / 2) {
    const bounded = Math.max(LEAST, Math.min(MOST, next));
    const outer = element.getBoundingClientRect();
    const before = sheet.getBoundingClientRect();
    const across = (outer.left + x - before.left) / before.width;
    const down = (outer.top + y - before.top) / before.height;
    scale = bounded;
    layout();
    const after = sheet.getBoundingClientRect();
    element.scrollLeft += after.left + across * after.width - outer.left - x;
    element.scrollTop += after.top + down * after.height - outer.top - y;
  }

  function center({ left, top, right, bottom }) {
    wanted = { left, top, right, bottom };
    const outer = element.getBoundingClientRect();
    const inner = sheet.getBoundingClientRect();
    element.scrollLeft += inner.left + ((left + right) / 2) * inner.width - outer.left - element.clientWidth / 2;
    // A little above the middle, where the eye is.
    element.scrollTop += inner.top + ((top + bottom) / 2) * inner.height - outer.top - element.clientHeight * 0.4;
  }

  element.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const outer = element.getBoundingClientRect();
    scaleTo(scale * Math.exp(-event.deltaY / 300), event.clientX - outer.left, event.clientY - outer.top);
  }, { passive: false });
  element.addEventListener("dblclick", (event) => {
    const outer = element.getBoundingClientRect();
    scaleTo(scale > 1.01 ? 1 : 2, event.clientX - outer.left, event.clientY - outer.top);
  });
  dragging(element);
  pinching(element, () => scale, scaleTo);
  // When the room changes (a panel opens, the window is turned), what was in the middle stays there.
  let middle = 0;
  element.addEventListener("scroll", () => {
    const inner = sheet.getBoundingClientRect();
    middle = (element.getBoundingClientRect().top + element.clientHeight / 2 - inner.top) / inner.height;
  }, { passive: true });
  const observer = new ResizeObserver(() => {
    const held = middle;
    layout();
    if (wanted) center(wanted);
    else element.scrollTop += sheet.getBoundingClientRect().top + held * sheet.clientHeight - element.getBoundingClientRect().top - element.clientHeight / 2;
  });
  observer.observe(element);
  element.addEventListener("pointerdown", () => { wanted = null; });
  element.addEventListener("wheel", () => { wanted = null; }, { passive: true });
  element.addEventListener("keydown", (event) => { if (/^(Arrow(Up|Down)|Page|Home|End| )/.test(event.key)) wanted = null; });

  return {
    element,
    sheet,
    /** Lays out a page of `width` by `height`, in any unit. */
    show({ width, height }) {
      aspect = height / width;
      wanted = null;
      layout();
      element.scrollTop = 0;
      element.scrollLeft = 0;
    },
    /** One step larger (1) or smaller (-1), or as it was (0). */
    zoom: (step) => scaleTo(step === 0 ? 1 : scale * STEP ** step),
    center,
    onZoom: (listener) => listeners.add(listener),
    end: () => observer.disconnect(),
  };
}

/** With a mouse the sheet is dragged; fingers scroll by themselves. */
function dragging(element) {
  let from = null;
  element.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.button !== 0) return;
    from = { x: event.clientX, y: event.clientY, left: element.scrollLeft, top: element.scrollTop };
    element.setPointerCapture(event.pointerId);
    element.classList.add("panning");
  });
  element.addEventListener("pointermove", (event) => {
    if (!from) return;
    element.scrollLeft = from.left + from.x - event.clientX;
    element.scrollTop = from.top + from.y - event.clientY;
  });
  for (const name of ["pointerup", "pointercancel"]) element.addEventListener(name, () => { from = null; element.classList.remove("panning"); });
}

/** Two fingers: the browser scrolls, the scale is ours. */
function pinching(element, scaleNow, scaleTo) {
  let start = null;
  const measure = ([one, other]) => {
    const outer = element.getBoundingClientRect();
    return { apart: Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY), x: (one.clientX + other.clientX) / 2 - outer.left, y: (one.clientY + other.clientY) / 2 - outer.top };
  };
  element.addEventListener("touchstart", (event) => { start = event.touches.length === 2 ? { ...measure(event.touches), scale: scaleNow() } : null; }, { passive: true });
  element.addEventListener("touchmove", (event) => {
    if (!start || event.touches.length !== 2) return;
    event.preventDefault();
    const now = measure(event.touches);
    scaleTo((start.scale * now.apart) / start.apart, now.x, now.y);
  }, { passive: false });
  element.addEventListener("touchend", () => { start = null; }, { passive: true });
}
