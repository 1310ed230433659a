// A list of any length of which only the rows in sight exist. Rows have one height; the keyboard walks through them.

import { h } from "./dom.js";

/** Rows kept above and below what is in sight. */
const SPARE = 8;

/**
 * `draw(row, item, index)` fills a row element; `onOpen(item)`; `onNear()`: the end comes near; `label`.
 * {element, set(items), refresh(), focus(index), current()}
 */
export function createRows({ draw, onOpen, onNear, label, head }) {
  const body = h("div", { class: "rows-body", role: "rowgroup" });
  const element = h("div", { class: "rows", role: "grid", "aria-label": label }, h("div", { role: "rowgroup", class: "rows-head" }, h("div", { role: "row", "aria-rowindex": "1" }, head)), body);
  const made = new Map();
  let items = [];
  let height = 64;
  let at = 0;
  let frame = 0;

  function paint() {
    frame = 0;
    height = parseFloat(getComputedStyle(element).getPropertyValue("--row")) || 64;
    const top = Math.max(0, element.scrollTop - body.offsetTop);
    const first = Math.max(0, Math.floor(top / height) - SPARE);
    const last = Math.min(items.length, Math.ceil((top + element.clientHeight) / height) + SPARE);
    body.style.setProperty("height", `${items.length * height}px`);
    for (const [index, row] of made) {
      // The row with the focus stays, or the keyboard would lose its place.
      if ((index < first || index >= last) && !(row.contains(document.activeElement) && index < items.length)) {
        row.remove();
        made.delete(index);
      }
    }
    for (let index = first; index < last; index++) {
      let row = made.get(index);
      if (!row) {
        row = h("div", { class: "row-line", role: "row", css: { transform: `translateY(${index * height}px)` }, "aria-rowindex": String(index + 2) });
        made.set(index, row);
        // In the order of the list, for those who hear it.
        const after = [...body.children].find((other) => Number(other.getAttribute("aria-rowindex")) > index + 2);
        body.insertBefore(row, after ?? null);
      }
      row.style.setProperty("transform", `translateY(${index * height}px)`);
      row.tabIndex = index === at ? 0 : -1;
      if (row.item !== items[index]) {
        row.item = items[index];
        draw(row, items[index], index);
      }
    }
    if (last > items.length - 60) onNear();
  }

  const later = () => { frame ||= requestAnimationFrame(paint); };

  function focus(index) {
    if (items.length === 0) return;
    at = Math.max(0, Math.min(index, items.length - 1));
    const from = body.offsetTop + at * height;
    const headHeight = body.offsetTop;
    if (from - headHeight < element.scrollTop) element.scrollTop = from - headHeight;
    else if (from + height > element.scrollTop + element.clientHeight) element.scrollTop = from + height - element.clientHeight;
    paint();
    made.get(at)?.focus({ preventScroll: true });
  }

  element.addEventListener("scroll", later, { passive: true });
  element.addEventListener("click", (event) => {
    const row = event.target.closest(".row-line");
    if (!row || event.target.closest("button, a")) return;
    at = [...made].find(([, one]) => one === row)[0];
    paint();
    onOpen(row.item);
  });
  element.addEventListener("keydown", (event) => {
    const row = event.target.closest?.(".row-line");
    if (!row || event.target !== row) return;
    const page = Math.max(1, Math.floor(element.clientHeight / height) - 1);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: items.length - 1 }[event.key];
    if (to !== undefined) focus(to);
    else if (event.key === "Enter") onOpen(row.item);
    else return;
    event.preventDefault();
  });
  const observer = new ResizeObserver(later);
  observer.observe(element);

  return {
    element,
    /** Shows `next`; rows whose item is the same object are left alone. */
    set(next, total) {
      items = next;
      at = Math.max(0, Math.min(at, items.length - 1));
      element.setAttribute("aria-rowcount", String((total ?? items.length) + 1));
      for (const [index, row] of made) if (index >= items.length) { row.remove(); made.delete(index); }
      later();
    },
    top() { element.scrollTop = 0; at = 0; },
    focus,
    index: () => at,
    /** The item that the keyboard is on; null where it is elsewhere. */
    current: () => (element.contains(document.activeElement) ? items[at] : null),
    end: () => { observer.disconnect(); cancelAnimationFrame(frame); },
  };
}
