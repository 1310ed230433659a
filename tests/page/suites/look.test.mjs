// Pictures of every view and state, light and dark, desktop and phone, into `shots/`, to be looked at. QUIRE_PAGE_LOOK=1 makes them.

import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { QUESTIONS, askFor, browserFor, choose, mockFor } from "../bench.mjs";
import { HERE } from "../browser.mjs";
import { DEMO_FOLDER } from "../mock/corpus.mjs";
import { scenarios } from "../mock/scenarios.mjs";
import { World } from "../mock/world.mjs";

const visit = browserFor();
const SHOTS = join(HERE, "shots");

const idOf = (world, start) => world.searchable("default").find(({ title }) => title.startsWith(start)).id;

/** name: {world, path(world), ready (a selector), then(page, world)} */
const LOOKS = {
  "ask-start": { world: scenarios.demo, path: () => "", ready: ".start p" },
  "ask-empty": { world: scenarios.empty, path: () => "", ready: ".drop" },
  "ask-first-document": {
    world: scenarios.empty, path: () => "", ready: ".drop",
    then: async (page) => {
      await choose(page, join(DEMO_FOLDER, "annual-report-2025.pdf"), () => page.locator(".drop").click());
      await page.locator(".work", { hasText: "of 13" }).waitFor();
    },
  },
  "ask-quoted": { world: scenarios.demo, path: () => askFor(QUESTIONS.ferries), ready: ".answer-foot .quiet" },
  "ask-composed": { world: () => new World({ mode: "vlm" }).addDemo(), path: () => askFor(QUESTIONS.gauge), ready: ".answer-foot .quiet", then: (page) => page.locator(".marker").nth(1).focus() },
  "ask-waiting": { world: scenarios.slow, path: () => askFor(QUESTIONS.gauge), ready: ".card .marked", then: (page) => page.locator(".verdict", { hasText: "so far" }).waitFor() },
  "ask-writing": { world: () => new World({ mode: "vlm", word_ms: 60 }).addDemo(), path: () => askFor(QUESTIONS.gauge), ready: ".words ol li" },
  "ask-unsupported": { world: () => new World({ mode: "vlm-unsupported" }).addDemo(), path: () => askFor(QUESTIONS.gauge), ready: ".answer-foot .quiet" },
  "ask-nothing": { world: scenarios.demo, path: () => askFor(QUESTIONS.nothing), ready: ".verdict.none" },
  "ask-scan": { world: scenarios.demo, path: () => askFor(QUESTIONS.scan), ready: ".answer-foot .quiet" },
  "ask-lost": { world: () => new World({ mode: "vlm", break_after: 24 }).addDemo(), path: () => askFor(QUESTIONS.gauge), ready: ".verdict.bad" },
  read: { world: scenarios.demo, path: (world) => `#/read/${idOf(world, "Annual")}/5?${new URLSearchParams({ q: QUESTIONS.ferries })}`, ready: ".sheet .marked" },
  "read-word": {
    world: scenarios.demo, path: (world) => `#/read/${idOf(world, "Annual")}/5?${new URLSearchParams({ q: QUESTIONS.ferries })}`, ready: ".chip",
    then: async (page) => {
      await page.locator(".chip", { hasText: "tarrow" }).click();
      await page.locator(".sheet .heat").waitFor();
      await page.keyboard.press("t");
    },
  },
  "read-gone": { world: scenarios.demo, path: () => "#/read/00000000-0000-0000-0000-000000000000/1?q=x", ready: ".gone" },
  documents: { world: scenarios.demo, path: () => "#/documents", ready: ".row-line" },
  "documents-many": { world: scenarios.many, path: () => "#/documents", ready: ".row-line", then: (page) => page.locator(".rows").evaluate((rows) => { rows.scrollTop = 4000; }) },
  "documents-story": { world: scenarios.demo, path: (world) => `#/documents?document=${[...world.tenant("default").documents.values()].find(({ row }) => row.state === "dead").row.document_id}`, ready: ".story .events" },
  "documents-undo": { world: scenarios.demo, path: () => "#/documents", ready: ".row-line", then: async (page) => { await page.locator(".row-line").nth(2).focus(); await page.keyboard.press("Delete"); } },
  "documents-uploads": {
    world: () => new World({ page_ms: 500 }).addDemo(), path: () => "#/documents", ready: ".row-line",
    then: async (page) => {
      await choose(page, [{ name: "product-strategy-deck.pdf", mimeType: "application/pdf", buffer: await readFile(join(DEMO_FOLDER, "product-strategy-deck.pdf")) }, { name: "notes.docx.pdf", mimeType: "application/pdf", buffer: Buffer.from("PK no PDF") }], () => page.keyboard.press("u"));
      await page.locator(".dock-row", { hasText: "of 10" }).waitFor();
    },
  },
  behind: { world: scenarios.demo, path: () => askFor(QUESTIONS.gauge), ready: ".answer-foot .quiet", then: async (page) => { await page.locator(".views [data-view=behind]").click(); await page.locator(".stage-box").first().waitFor(); } },
  "behind-unasked": { world: scenarios.demo, path: () => "#/behind", ready: ".tile .figure" },
  keys: { world: scenarios.keys, path: () => "", ready: "dialog" },
  help: { world: scenarios.demo, path: () => "", ready: ".start p", then: (page) => page.keyboard.press("?") },
};

for (const [name, { world: make, path, ready, then }] of Object.entries(LOOKS)) {
  test(`looks: ${name}`, { skip: process.env.QUIRE_PAGE_LOOK ? false : "QUIRE_PAGE_LOOK=1 makes pictures", timeout: 120_000 }, async (t) => {
    await mkdir(SHOTS, { recursive: true });
    for (const scheme of ["light", "dark"]) {
      for (const size of ["desktop", "phone"]) {
        const world = await make();
        const service = await mockFor(t, world);
        const { page, leave } = await visit(service, { path: path(world), scheme, size });
        await page.locator(ready).first().waitFor();
        await then?.(page, world);
        await page.waitForFunction(() => [...document.images].every((image) => image.complete));
        await page.screenshot({ path: join(SHOTS, `${name}-${size}-${scheme}.png`) });
        await leave({ allow: [/401|404|ERR_/] });
      }
    }
  });
}
