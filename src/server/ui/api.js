// The service over HTTP: requests, their problems, the key. The key stays in this tab (sessionStorage) and goes nowhere but to this service.

import { askForKey } from "./dialogs.js";
import { store } from "./dom.js";
import { eventsOf } from "./sse.js";

const KEY = "quire.key";

/** {key}: the key that is held, for those who show that one is. */
export const session = store({ key: readKey() });

function readKey() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

/** Keeps `key` for this tab; null forgets it. */
export function keepKey(key) {
  try {
    if (key) sessionStorage.setItem(KEY, key);
    else sessionStorage.removeItem(KEY);
  } catch {
    // A browser that keeps nothing: the key lasts as long as the page.
  }
  session.set({ key });
}

/** A request that failed: `status` (0: no connection), `detail` to be shown, `retry_after_s`. */
export class Problem extends Error {
  constructor(status, detail, retryAfterS = null) {
    super(detail);
    this.status = status;
    this.detail = detail;
    this.retry_after_s = retryAfterS;
  }
}

/** What a response that is no success says. */
export async function problemOf(response) {
  let told = {};
  try {
    told = await response.json();
  } catch {
    // No JSON: a proxy's page. The status has to do.
  }
  const wait = told.retry_after_s ?? Number(response.headers.get("retry-after"));
  return new Problem(response.status, told.detail ?? told.title ?? `The service answered ${response.status}.`, wait || null);
}

let asking = null;
let refused = false;

/** Asks for a key once, however many requests wait for it. Resolves to whether there is one now. */
export function needKey(wrong) {
  asking ??= askForKey(wrong).then((key) => {
    asking = null;
    refused = !key;
    if (key) keepKey(key);
    return Boolean(key);
  });
  return asking;
}

/** The header that says who asks. */
export function credentials() {
  const { key } = session.get();
  return key ? { authorization: `Bearer ${key}` } : {};
}

/**
 * A response that is a success; asks for a key where the service wants one. Throws a {@link Problem}. `background`: nobody waits for it, so
 * whoever gave no key isn't asked again.
 */
export async function request(path, { method = "GET", body, signal, headers = {}, keepalive, background = false } = {}) {
  for (;;) {
    const held = session.get().key;
    let response;
    try {
      response = await fetch(path, {
        method, signal, keepalive,
        headers: { ...credentials(), ...(body ? { "content-type": "application/json" } : {}), ...headers },
        body: body ? JSON.stringify(body) : undefined,
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem(0, "The service can't be reached.");
    }
    if (response.ok) return response;
    if (response.status !== 401) throw await problemOf(response);
    // Somebody may have given another key while this request was under way.
    if (background && refused && !asking) throw await problemOf(response);
    if (held === session.get().key && !(await needKey(Boolean(held)))) throw await problemOf(response);
  }
}

export const getJson = async (path, options) => (await request(path, options)).json();

/** Server-sent events of a request. Throws a {@link Problem}, also when the connection is lost midway. */
export async function* stream(path, options) {
  const response = await request(path, options);
  try {
    yield* eventsOf(response);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "The connection was lost.");
  }
}

/** `{a: 1, b: null}` as `?a=1`. */
export function query(parameters) {
  const kept = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return kept.length === 0 ? "" : `?${new URLSearchParams(kept)}`;
}
