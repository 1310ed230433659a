// What the service says of itself, kept current: its status, and the events of documents. One stream for the whole page; when it
// breaks, it is opened again, and whoever shows the state is told.

import { Problem, getJson, session, stream } from "./api.js";
import { store, throttle } from "./dom.js";

const RECONNECT_MS = [1000, 2000, 5000, 10_000];
/** Without a stream of events the status is asked for this often. */
const POLL_MS = 5000;

/** {status: as /v1/status says, or null; connected: true, false, or null before the first answer} */
export const live = store({ status: null, connected: null });

const listeners = new Set();

/** Calls `listener({event, data})` for every event of a document; returns what ends it. */
export function onEvent(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Asks for the status now. */
export async function refreshStatus() {
  try {
    live.set({ status: await getJson("/v1/status", { background: true }), connected: true });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 0) live.set({ connected: false });
  }
}

const refreshSoon = throttle(refreshStatus, 400);

/** How many pages can be found in `collection` (all of them without a name); null where nobody knows. */
export function pagesOf(collection) {
  const collections = live.get().status?.collections;
  if (!collections) return null;
  return collections.filter(({ name }) => !collection || name === collection).reduce((sum, one) => sum + one.pages, 0);
}

let wake = null;

/** Tries again at once. */
export function reconnect() {
  wake?.();
}

/** Follows the service until the page is closed. */
export async function follow() {
  session.subscribe(() => { refreshStatus(); stop?.abort(); });
  refreshStatus();
  for (let tries = 0; ; tries++) {
    const started = performance.now();
    const polled = await listen();
    if (performance.now() - started > 10_000) tries = 0;
    if (document.hidden) await new Promise((seen) => document.addEventListener("visibilitychange", seen, { once: true }));
    const wait = polled ? POLL_MS : RECONNECT_MS[Math.min(tries, RECONNECT_MS.length - 1)];
    await new Promise((resume) => {
      wake = resume;
      setTimeout(resume, wait);
    });
    await refreshStatus();
  }
}

let stop = null;

/** Reads the stream of events to its end. Resolves to true where the service has none. */
async function listen() {
  stop = new AbortController();
  try {
    for await (const event of stream("/v1/events", { signal: stop.signal, background: true })) {
      if (live.get().connected !== true) live.set({ connected: true });
      for (const listener of [...listeners]) listener(event);
      refreshSoon();
    }
  } catch (error) {
    if (error instanceof Problem && error.status !== 0) return true;
    // Why it broke is for the next request to find out: a stop of the service, or only of this stream.
  }
  return false;
}
