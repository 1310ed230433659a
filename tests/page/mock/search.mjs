// The mock's search: words of the question against words of the pages. Small, honest, and good enough to make a page useful to test.

const STOP = new Set("a an and are as at by can do does for from had has have how i if in is it many much my of on or our should the their this to was were what when where which who why will with you".split(" "));

/** The words of a question, and those that are left out of the match. */
export function words(question) {
  const all = question.toLowerCase().match(/[\p{L}\p{N}][\p{L}\p{N}/.-]*[\p{L}\p{N}]|[\p{L}\p{N}]/gu) ?? [];
  const kept = [...new Set(all)].filter((word) => !STOP.has(word));
  return { kept: kept.length ? kept : [...new Set(all)], left_out: [...new Set(all)].filter((word) => STOP.has(word)) };
}

const stem = (word) => word.toLowerCase().replace(/[^\p{L}\p{N}/.-]/gu, "").replace(/[.]$/, "").replace(/(ing|led|ed|es|s)$/, "");

/** Pages of `documents`, best first: [{document, page, relevance, coverage, regions, snippet}]. */
export function search(documents, question, limit = 5, only = {}) {
  const { kept } = words(question);
  const stems = kept.map(stem);
  const pages = documents
    .filter((document) => !only.document || document.id === only.document)
    .flatMap((document) => document.pages.map((page, index) => ({ document, page: index + 1, content: page })));
  const holders = stems.map((word) => pages.filter((page) => holds(page.content, word)).length);
  const weights = holders.map((count) => Math.log(1 + pages.length / (1 + count)));
  const total = weights.reduce((sum, weight) => sum + weight, 0) || 1;
  const scored = pages.map((page) => {
    const found = stems.map((word) => holds(page.content, word));
    const coverage = found.reduce((sum, hit, index) => sum + (hit ? weights[index] : 0), 0) / total;
    const best = bestLine(page.content, stems, weights);
    return { ...page, coverage, near: best.score / total };
  });
  scored.sort((one, other) => other.coverage * 2 + other.near - one.coverage * 2 - one.near);
  return scored.slice(0, limit).map((page) => ({
    ...page,
    relevance: Math.min(1, 0.35 + 0.45 * page.coverage + 0.18 * page.near),
    regions: regions(page.content, stems, weights, total),
    snippet: page.content.scanned ? "" : snippet(page.content, stems, weights),
  }));
}

const holds = (page, word) => page.lines.some((line) => line.words.some((other) => stem(other.text) === word));

function scoreLine(line, stems, weights) {
  const present = new Set(line.words.map((word) => stem(word.text)));
  return stems.reduce((sum, word, index) => sum + (present.has(word) ? weights[index] : 0), 0);
}

function bestLine(page, stems, weights) {
  let best = { score: 0, index: 0 };
  page.lines.forEach((line, index) => {
    const score = scoreLine(line, stems, weights);
    if (score > best.score) best = { score, index };
  });
  return best;
}

/** Where the words stand: the three best lines, from their first matching word to their last. */
export function regions(page, stems, weights, total) {
  return page.lines
    .map((line) => ({ line, score: scoreLine(line, stems, weights) }))
    .filter(({ score }) => score > 0)
    .sort((one, other) => other.score - one.score)
    .slice(0, 3)
    .map(({ line, score }) => {
      const hits = line.words.filter((word) => stems.includes(stem(word.text)));
      return { ...around(hits), score: Math.min(1, 0.4 + 0.6 * (score / total)) };
    });
}

function around(boxes) {
  return {
    left: Math.min(...boxes.map((box) => box.left)),
    top: Math.min(...boxes.map((box) => box.top)),
    right: Math.max(...boxes.map((box) => box.right)),
    bottom: Math.max(...boxes.map((box) => box.bottom)),
  };
}

function snippet(page, stems, weights) {
  const { index } = bestLine(page, stems, weights);
  const text = page.lines.slice(index, index + 2).map((line) => line.text).join(" ");
  return text.length > 320 ? `${text.slice(0, 317)}...` : text;
}

/** The sentence of a page that says most of it. */
export function quote(page, question) {
  const { kept } = words(question);
  const stems = kept.map(stem);
  const sentences = page.lines.map((line) => line.text).join(" ").split(/(?<=[.!?])\s+(?=\p{Lu})/u);
  const score = (text) => stems.filter((word) => text.split(/\s+/).some((other) => stem(other) === word)).length - text.length / 2000;
  const best = sentences.sort((one, other) => score(other) - score(one))[0] ?? "";
  const line = page.lines[bestLine(page, stems, stems.map(() => 1)).index]?.text ?? "";
  return best.length < 200 ? best : `“${line}”`;
}

/** Boxes a word of the question, for the heatmap. */
export function heatmap(page, question) {
  const { kept, left_out } = words(question);
  const stems = kept.map(stem);
  const tokens = kept.map((text, index) => ({
    index,
    text,
    boxes: page.lines.flatMap((line) => line.words).filter((word) => stem(word.text) === stems[index]).slice(0, 12)
      .map(({ left, top, right, bottom }) => ({ left, top, right, bottom, score: 0.9 })),
  }));
  const weights = stems.map(() => 1);
  return { grid: { rows: 64, cols: 48 }, tokens, boxes: regions(page, stems, weights, stems.length), left_out };
}
