// What the page's pure modules promise: Markdown of foreign text, server-sent events, the crop, the tree of stages.

import assert from "node:assert/strict";
import { test } from "node:test";
import { cropWindow } from "../../../src/server/ui/crop.js";
import { treeOf } from "../../../src/server/ui/flow.js";
import { duration, pageWords, sourceWords } from "../../../src/server/ui/format.js";
import { parseBlocks, parseInline, sentencesOf } from "../../../src/server/ui/markdown.js";
import { createParser } from "../../../src/server/ui/sse.js";
import { reasonOf } from "../../../src/server/ui/states.js";

test("blocks of Markdown", () => {
  const blocks = parseBlocks("# Title\n\nTwo\nlines [1]\n\n- one\n- two\n  more\n\n1. first\n2. second\n\n```\n<b>*x*</b>\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n");
  assert.deepEqual(blocks.map(({ kind }) => kind), ["heading", "paragraph", "list", "list", "code", "table"]);
  assert.equal(blocks[1].text, "Two lines [1]");
  assert.deepEqual(blocks[2].items, ["one", "two more"]);
  assert.equal(blocks[3].ordered, true);
  assert.equal(blocks[4].text, "<b>*x*</b>");
  assert.deepEqual(blocks[5].rows, [["a", "b"], ["1", "2"]]);
});

test("a block that is still being written does not hang and loses nothing", () => {
  for (const text of ["```\nopen", "| a | b |\n|--", "- ", "**half", "[1", "![x](http", "> q"]) assert.ok(parseBlocks(text).length >= 1, text);
});

test("links and images of an answer leave their words, nothing else", () => {
  const pieces = parseInline("see [the site](https://evil.example/x) and ![logo](https://evil.example/p.png), **bold** `code` [2]");
  assert.ok(!JSON.stringify(pieces).includes("evil"));
  assert.deepEqual(pieces.filter(({ kind }) => kind !== "text").map(({ kind, text }) => [kind, text]), [["strong", "bold"], ["code", "code"], ["marker", "2"]]);
});

test("sentences own the markers at their end, inside or after the full stop", () => {
  const sentences = sentencesOf(parseInline("One is so. [1] Two is [2]. Three, with v1.2 inside, has none. Four. [1][3]"));
  assert.deepEqual(sentences.map(({ markers }) => markers), [["1"], ["2"], [], ["1", "3"]]);
  const whole = sentences.flatMap(({ pieces }) => pieces.map(({ kind, text }) => (kind === "marker" ? `[${text}]` : text))).join("");
  assert.equal(whole, "One is so. [1] Two is [2]. Three, with v1.2 inside, has none. Four. [1][3]");
});

test("events come whole, however the bytes are cut", () => {
  const text = ": hello\r\n\r\nevent: delta\r\ndata: {\"text\":\"ä\\n\"}\r\n\r\nevent: done\ndata: {\"a\":\ndata: 1}\n\n";
  for (let size = 1; size < text.length; size++) {
    const parser = createParser();
    const events = [];
    for (let at = 0; at < text.length; at += size) events.push(...parser.push(text.slice(at, at + size)));
    assert.deepEqual(events, [{ event: "delta", data: { text: "ä\n" } }, { event: "done", data: { a: 1 } }], `pieces of ${size}`);
  }
});

test("a crop holds the best region, stays on the page and is never narrower than half of it", () => {
  let seed = 7;
  const random = () => ((seed = (seed * 48271) % 2147483647) / 2147483647);
  for (let round = 0; round < 500; round++) {
    const regions = Array.from({ length: 1 + (round % 4) }, () => {
      const left = random() * 0.8;
      const top = random() * 0.95;
      return { left, top, right: left + 0.02 + random() * (0.98 - left - 0.02), bottom: Math.min(1, top + 0.01 + random() * 0.04), score: random() };
    });
    for (const aspect of [1.414, 0.5625, 3]) {
      const { left, top, width, height } = cropWindow(regions, aspect, 0.42);
      assert.ok(width >= 0.5 - 1e-9 && width <= 1 + 1e-9);
      assert.ok(left >= -1e-9 && left + width <= 1 + 1e-9);
      if (height <= 1) assert.ok(top >= -1e-9 && top + height <= 1 + 1e-9);
      const best = [...regions].sort((one, other) => other.score - one.score)[0];
      const middle = (best.left + best.right) / 2;
      assert.ok(left <= middle && middle <= left + width, "the best region is in sight");
      assert.ok(top <= best.bottom && best.top <= top + height, "at its height too");
    }
  }
});

test("stages make a tree by their names", () => {
  const root = treeOf([{ stage: "1.1" }, { stage: "1.2" }, { stage: "1" }, { stage: "2" }, { stage: "final" }]);
  assert.equal(root.stage, "final");
  assert.deepEqual(root.feeds.map(({ stage }) => stage), ["1", "2"]);
  assert.deepEqual(root.feeds[0].feeds.map(({ stage }) => stage), ["1.1", "1.2"]);
  assert.equal(treeOf([{ stage: "final" }]).feeds.length, 0);
});

test("words for pages, times and reasons", () => {
  assert.equal(pageWords({ page: 5, page_label: "3", page_count: 13 }), "page 5 (printed 3) of 13");
  assert.equal(pageWords({ page: 5, page_label: "5", page_count: 13 }), "page 5 of 13");
  assert.deepEqual([0.4, 46, 680, 12_400].map(duration), ["0.4 ms", "46 ms", "0.7 s", "12 s"]);
  assert.deepEqual(reasonOf({ state: "rejected", reason: "a.pdf needs a password to be opened" }), { what: "a.pdf needs a password to be opened.", remedy: "Save it without the password and add it again." });
  assert.equal(reasonOf({ state: "indexed", failed_pages: [] }), null);
});

test("where a document came from has no hash in it", () => {
  const source = `upload:${"5d0c19e2".repeat(8)}/minutes.pdf`;
  assert.equal(sourceWords({ source, title: "Minutes of March" }), "Uploaded as minutes.pdf");
  assert.equal(sourceWords({ source, title: "minutes.pdf" }), "Uploaded");
  assert.equal(sourceWords({ source, title: null }), "Uploaded");
  assert.equal(sourceWords({ source: "/srv/board/minutes.pdf", title: "Minutes" }), "/srv/board/minutes.pdf");
});
