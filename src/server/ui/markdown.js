// The Markdown of an answer, as a tree of plain objects and from there as elements. An answer is foreign text: it gets no links, no
// images and no HTML, only its words, their shape, and the markers of its evidence.

import { h } from "./dom.js";

/** Blocks of `text`: {kind: paragraph | heading | list | code | quote | table, source, ...}. `source` tells whether a block changed. */
export function parseBlocks(text) {
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  const blocks = [];
  let at = 0;
  const take = (test) => {
    const from = at;
    while (at < lines.length && test(lines[at])) at++;
    return lines.slice(from, at);
  };
  while (at < lines.length) {
    const line = lines[at];
    const fence = /^ {0,3}(```+|~~~+)/.exec(line);
    if (line.trim() === "") {
      at++;
    } else if (fence) {
      at++;
      const body = take((other) => !other.trim().startsWith(fence[1]));
      at++;
      blocks.push({ kind: "code", text: body.join("\n"), source: body.join("\n") });
    } else if (/^ {0,3}#{1,6} /.test(line)) {
      at++;
      blocks.push({ kind: "heading", text: line.replace(/^ *#+ /, "").replace(/ #+ *$/, ""), source: line });
    } else if (/^ {0,3}>/.test(line)) {
      const body = take((other) => /^ {0,3}>/.test(other)).map((other) => other.replace(/^ *> ?/, ""));
      blocks.push({ kind: "quote", text: body.join(" "), source: body.join("\n") });
    } else if (ITEM.test(line)) {
      const body = take((other) => ITEM.test(other) || /^ {2,}\S/.test(other));
      blocks.push({ kind: "list", ordered: /^\s*\d/.test(line), items: itemsOf(body), source: body.join("\n") });
    } else if (line.includes("|") && RULE.test(lines[at + 1] ?? "")) {
      const body = take((other) => other.includes("|"));
      blocks.push({ kind: "table", rows: body.filter((_, index) => index !== 1).map(cellsOf), source: body.join("\n") });
    } else {
      const body = take((other) => other.trim() !== "" && !/^ {0,3}(```|~~~|#{1,6} |>)/.test(other) && !ITEM.test(other));
      blocks.push({ kind: "paragraph", text: body.join(" "), source: body.join("\n") });
    }
  }
  return blocks;
}

const ITEM = /^\s*(?:[-*+•]|\d{1,3}[.)])\s+/;
const RULE = /^\s*\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)*\|?\s*$/;

function itemsOf(lines) {
  const items = [];
  for (const line of lines) {
    if (ITEM.test(line)) items.push(line.replace(ITEM, ""));
    else items[items.length - 1] += ` ${line.trim()}`;
  }
  return items;
}

const cellsOf = (line) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());

// An address in a link may hold one pair of brackets of its own.
const INLINE = /`([^`]+)`|!\[([^\]]*)\]\((?:[^()]|\([^()]*\))*\)|\[([^\]]*)\]\((?:[^()]|\([^()]*\))*\)|\*\*([^*]+)\*\*|__([^_]+)__|\*([^*\s][^*]*)\*|\[(\d{1,3})\]/g;

/** Pieces of a line: {kind: text | strong | em | code | marker, text}. Links and images leave their words. */
export function parseInline(text) {
  const pieces = [];
  let last = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > last) pieces.push({ kind: "text", text: text.slice(last, match.index) });
    const [whole, code, image, link, strong, strongToo, em, marker] = match;
    if (code !== undefined) pieces.push({ kind: "code", text: code });
    else if (marker !== undefined) pieces.push({ kind: "marker", text: marker });
    else if ((strong ?? strongToo) !== undefined) pieces.push({ kind: "strong", text: strong ?? strongToo });
    else if (em !== undefined) pieces.push({ kind: "em", text: em });
    else pieces.push({ kind: "text", text: image ?? link });
    last = match.index + whole.length;
  }
  if (last < text.length) pieces.push({ kind: "text", text: text.slice(last) });
  return pieces;
}

/** Pieces gathered into sentences, each with the markers that stand at its end: [{pieces, markers: ["1"]}]. */
export function sentencesOf(pieces) {
  const sentences = [];
  let open = null;
  const start = () => { open = { pieces: [], markers: [], ended: false }; sentences.push(open); };
  for (const piece of pieces) {
    if (piece.kind === "marker") {
      if (!open) start();
      open.pieces.push(piece);
      open.markers.push(piece.text);
      open.ended = true;
      continue;
    }
    const parts = piece.kind === "text" ? piece.text.split(/(?<=[.!?…][”"’)]?)(?=\s)/) : [piece.text];
    for (const part of parts) {
      // White space and closing marks after a marker still belong to its sentence.
      if (open?.ended && /^[\s.,;:!?)”"’]*$/.test(part)) open.pieces.push({ ...piece, text: part });
      else {
        if (!open || open.ended) start();
        open.pieces.push({ ...piece, text: part });
        if (piece.kind === "text" && /[.!?…][”"’)]?\s*$/.test(part)) open.ended = true;
      }
    }
  }
  return sentences;
}

/** A line as elements; `marker(number)` makes a marker's. Sentences know their markers, for the light between them and the cards. */
export function inline(text, marker) {
  return sentencesOf(parseInline(text)).map(({ pieces, markers }) =>
    h("span", { class: "sentence", data: { cites: markers.join(" ") } }, pieces.map((piece) => {
      if (piece.kind === "marker") return marker(piece.text);
      return piece.kind === "text" ? piece.text : h(piece.kind, {}, piece.text);
    })));
}

/** A block as an element. */
export function blockElement(block, marker) {
  const words = (text) => inline(text, marker);
  if (block.kind === "code") return h("pre", { tabindex: "0" }, h("code", {}, block.text));
  if (block.kind === "heading") return h("h3", {}, words(block.text));
  if (block.kind === "quote") return h("blockquote", {}, words(block.text));
  if (block.kind === "list") return h(block.ordered ? "ol" : "ul", {}, block.items.map((item) => h("li", {}, words(item))));
  if (block.kind === "table") {
    const [head, ...rows] = block.rows;
    return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table" }, h("table", {},
      h("thead", {}, h("tr", {}, head.map((cell) => h("th", {}, words(cell))))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell) => h("td", {}, words(cell))))))));
  }
  return h("p", {}, words(block.text));
}
