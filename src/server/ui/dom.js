// Elements. Text goes in as text nodes only: nothing here, or anywhere in this folder, ever parses foreign text as HTML.

/**
 * An element. `props`: `class`, `on<Event>`, `data`: {name: value}, `css`: {property: value} (through the CSSOM, which the
 * policy allows), attributes by name (null and false leave them out), and properties that are no attributes (`value`, `checked`).
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") element.className = value;
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "css") for (const [property, what] of Object.entries(value)) element.style.setProperty(property, what);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2).toLowerCase(), value);
    else if (name === "value" || name === "checked") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

function append(parent, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(parent, child);
    else parent.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** Puts `children` in the place of all that `parent` holds. */
export function fill(parent, ...children) {
  parent.replaceChildren();
  append(parent, children);
  return parent;
}

/** Sets text only where it changes, so that a live region doesn't speak twice. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Calls `run` at most once in `ms`, with the last arguments. */
export function debounce(run, ms) {
  let timer = 0;
  const later = (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...args), ms);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}

/** Calls `run` at most every `ms`, and once more after the last call: what goes on all the time is still shown. */
export function throttle(run, ms) {
  let timer = 0;
  const later = () => {
    timer ||= setTimeout(() => {
      timer = 0;
      run();
    }, ms);
  };
  later.cancel = () => {
    clearTimeout(timer);
    timer = 0;
  };
  return later;
}

/** Whether a key press belongs to a field that is typed in. */
export function isTyping(event) {
  const { target } = event;
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

/** A little store: `get`, `set` (merged), `subscribe` (returns what ends it). */
export function store(initial) {
  let value = initial;
  const listeners = new Set();
  return {
    get: () => value,
    set(change) {
      value = { ...value, ...change };
      for (const listener of [...listeners]) listener(value);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
