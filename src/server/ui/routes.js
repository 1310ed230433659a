// Addresses within the page: `#/ask?q=`, `#/read/DOCUMENT/PAGE?q=`, `#/documents?q=&state=&document=`, `#/behind`. Each can be shared.

/** {view, parts, query} of the current address. */
export function currentRoute() {
  const [path, search = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [view, ...parts] = path.split("/").map(decodeURIComponent);
  return { view: view || "ask", parts, query: new URLSearchParams(search) };
}

function address(path, parameters) {
  const kept = Object.entries(parameters).filter(([, value]) => value);
  const search = new URLSearchParams(kept).toString();
  return `#/${path}${search ? `?${search}` : ""}`;
}

/** `asked`: {question, collection?, plan?, extractive?, document?} */
export const askAddress = ({ question, collection, plan, extractive, document }) =>
  address("ask", { q: question, collection, plan, extractive: extractive ? "1" : "", document });

export const readAddress = (document, page, { question = "", collection = "" } = {}) =>
  address(`read/${encodeURIComponent(document)}/${page}`, { q: question, collection });

export const documentsAddress = (parameters = {}) => address("documents", parameters);

/** Goes to `target` without another entry in the history. */
export function replaceRoute(target) {
  history.replaceState(history.state, "", target);
}
