// What came in last, as sheets on the desk: the first pages of the newest documents. Something to look at before the first question.

import { Problem, getJson } from "./api.js";
import { fill, h } from "./dom.js";
import { count, fileName } from "./format.js";
import { documentsAddress, readAddress } from "./routes.js";

const SHEETS = 6;
/** A cover is asked for this wide, in pixels: twice what it takes on a usual screen. */
const COVER_WIDTH = 400;

/** {element, load()}: `load` fetches once; called again, it does nothing. */
export function createShelf() {
  const list = h("ul", { class: "shelf-list" });
  const element = h("section", { class: "shelf", "aria-label": "Came in last", hidden: true }, h("h2", {}, "Came in last"), list, h("a", { href: documentsAddress() }, "All documents"));
  let loaded = false;

  async function load() {
    if (loaded) return;
    loaded = true;
    try {
      const { documents } = await getJson(`/v1/documents?state=indexed&limit=${SHEETS}`);
      const shown = documents.filter(({ page_count }) => page_count > 0);
      fill(list, shown.map(sheet));
      element.hidden = shown.length === 0;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      // It is only something to look at.
      loaded = false;
    }
  }
  return { element, load };
}

function sheet(document) {
  const name = document.title || fileName(document.source);
  const cover = h("span", { class: "cover skeleton" });
  getJson(`/v1/documents/${encodeURIComponent(document.document_id)}/pages/1`).then(({ image }) => {
    const url = new URL(image, location.href);
    url.searchParams.set("width", String(COVER_WIDTH));
    const picture = h("img", { alt: "", decoding: "async", draggable: "false" });
    picture.addEventListener("load", () => { cover.classList.remove("skeleton"); cover.append(picture); });
    // A service that signs the width too refuses another one.
    picture.addEventListener("error", () => { if (picture.src !== new URL(image, location.href).href) picture.src = image; });
    picture.src = url.pathname + url.search;
  }).catch(() => {});
  return h("li", {}, h("a", { href: readAddress(document.document_id, 1) }, cover, h("span", { class: "cover-name" }, name), h("span", { class: "quiet" }, count(document.page_count, "page"))));
}
