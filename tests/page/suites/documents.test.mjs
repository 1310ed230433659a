// The list of documents: a hundred thousand rows, filters, retrying, deleting with a way back, uploads that outlive views.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { browserFor, choose, mockFor } from "../bench.mjs";
import { DEMO_FOLDER } from "../mock/corpus.mjs";
import { scenarios } from "../mock/scenarios.mjs";
import { World } from "../mock/world.mjs";

const visit = browserFor();

test("a hundred thousand documents: only the rows in sight exist, the rest comes as one scrolls", async (t) => {
  const { page, leave } = await visit(await mockFor(t, scenarios.many()), { path: "#/documents" });
  await page.locator(".row-line").first().waitFor();
  assert.match(await page.locator(".filter-state").first().innerText(), /All\s+100,009/);
  assert.equal(await page.getByRole("grid").getAttribute("aria-rowcount"), "100010");
  assert.ok((await page.locator(".row-line").count()) < 60);
  for (let turn = 0; turn < 12; turn++) {
    await page.locator(".rows").evaluate((rows) => { rows.scrollTop = rows.scrollHeight; });
    await page.waitForFunction((least) => document.querySelector(".rows-body").clientHeight / 64 >= least, Math.min(100_009, 200 * (turn + 1)));
  }
  assert.ok((await page.locator(".row-line").count()) < 60);
  assert.ok((await page.locator(".rows-body").evaluate((body) => body.clientHeight)) >= 2400 * 64);
  // Filter as one types: the service looks, the list follows.
  await page.keyboard.press("f");
  await page.keyboard.type("board 099999");
  await page.locator(".row-line", { hasText: "Minutes of the harbour board 099999" }).waitFor();
  assert.match(page.url(), /q=board\+099999/);
  await page.locator(".filter").fill("no such document");
  await page.getByText("No document fits this filter.").waitFor();
  await page.getByRole("button", { name: "Show all" }).click();
  await page.locator(".row-line").first().waitFor();
  await page.getByRole("button", { name: /^Given up/ }).click();
  await page.waitForFunction(() => [...document.querySelectorAll(".row-line .state")].every((state) => state.textContent === "Given up"));
  await leave();
});

test("a state is a word, a colour and a picture; a failure says why and what to do", async (t) => {
  const { page, leave } = await visit(await mockFor(t, scenarios.demo()), { path: "#/documents" });
  for (const [name, word] of [["berths-2026", "Being read"], ["timetable-winter", "In the queue"], ["tender-hull-7", "Rejected"], ["drawing-A0", "Given up"], ["log-2019", "2 pages missing"]]) {
    const row = page.locator(".row-line", { hasText: name });
    await row.scrollIntoViewIfNeeded();
    await row.locator(".state", { hasText: word }).waitFor();
    assert.equal(await row.locator(".state svg").count(), 1);
    const [colour, usual] = await row.locator(".state, .doc-title").evaluateAll((all) => all.map((element) => getComputedStyle(element).color));
    assert.notEqual(colour, usual);
  }
  assert.match(await page.locator(".row-line", { hasText: "berths-2026" }).innerText(), /17 of 48/);
  assert.match(await page.locator(".row-line", { hasText: "tender-hull-7" }).locator(".doc-why").innerText(), /needs a password to be opened\. Save it without the password/);
  await leave();
});

test("by the keyboard alone: rows, story, retry, delete, undo", async (t) => {
  const world = await scenarios.demo();
  const { page, requests, leave } = await visit(await mockFor(t, world), { path: "#/documents?q=drawing" });
  await page.locator(".row-line", { hasText: "drawing-A0" }).waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.locator(".story", { hasText: "What happened" }).waitFor();
  assert.match(page.url(), /document=/);
  await page.keyboard.press("Escape");
  assert.equal(await page.locator(".story").isVisible(), false);
  await page.keyboard.press("Delete");
  await page.getByText("No document fits this filter.").waitFor();
  await page.locator(".toast").getByRole("button", { name: "Undo" }).focus();
  await page.keyboard.press("Enter");
  await page.locator(".row-line", { hasText: "drawing-A0" }).waitFor();
  const record = [...world.tenant("default").documents.values()].find(({ row }) => row.source.includes("drawing-A0"));
  assert.ok(record, "nothing was deleted");
  record.read.path = join(DEMO_FOLDER, "invoice-2025-0417.pdf");
  await page.locator(".row-line", { hasText: "drawing-A0" }).focus();
  await page.keyboard.press("r");
  await page.locator(".row-line").getByText("Indexed").waitFor();
  assert.ok(requests.some((url) => url.endsWith("/retry")));
  await leave();
});

test("a page that is left deletes what it said is deleted", async (t) => {
  const world = await scenarios.demo();
  const { page, leave } = await visit(await mockFor(t, world), { path: "#/documents?q=tender" });
  await page.locator(".row-line").first().focus();
  await page.keyboard.press("Delete");
  await page.goto("about:blank");
  const left = () => [...world.tenant("default").documents.values()].some(({ row }) => row.source.includes("tender"));
  for (let turn = 0; turn < 100 && left(); turn++) await page.waitForTimeout(20);
  assert.equal(left(), false);
  await leave();
});

test("files dropped on any view are uploaded; their progress survives moving between views, and a busy service is waited for", async (t) => {
  const service = await mockFor(t, new World({ page_ms: 900, refuse_uploads: 1 }).addDemo());
  const { page, leave } = await visit(service, { path: "#/behind" });
  await page.evaluate(() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(["%PDF-1.4 nothing in it"], "dropped.pdf", { type: "application/pdf" }));
    for (const name of ["dragenter", "dragover", "drop"]) document.body.dispatchEvent(new DragEvent(name, { bubbles: true, cancelable: true, dataTransfer: transfer }));
  });
  await page.locator(".dock-row", { hasText: "dropped.pdf" }).getByText(/busy/).waitFor();
  await choose(page, join(DEMO_FOLDER, "product-strategy-deck.pdf"), () => page.keyboard.press("u"));
  const row = page.locator(".dock-row", { hasText: "product-strategy-deck.pdf" });
  await row.getByText(/page \d of 10/).waitFor();
  await page.keyboard.press("g");
  await page.keyboard.press("d");
  await page.locator(".row-line", { hasText: /of 10/ }).waitFor();
  await row.getByText(/page \d+ of 10/).waitFor();
  await page.keyboard.press("/");
  await row.getByText("indexed, 10 pages").waitFor();
  await page.getByRole("button", { name: "Clear" }).click();
  await row.waitFor({ state: "detached" });
  await leave({ allow: [/429/] });
});

test("nothing indexed yet: how to begin; a first document in work: ask already", async (t) => {
  const service = await mockFor(t, new World({ page_ms: 400 }));
  const { page, leave } = await visit(service);
  await page.getByRole("button", { name: /Drop a document here/ }).waitFor();
  const words = await page.locator("main").innerText();
  assert.match(words, /\/home\/ada\/ferries/);
  assert.match(words, /PDF, PNG, JPG, TIFF/);
  await choose(page, join(DEMO_FOLDER, "annual-report-2025.pdf"), () => page.getByRole("button", { name: /Drop a document here/ }).click());
  await page.locator(".work", { hasText: "The first document is in work" }).waitFor();
  await page.locator(".work", { hasText: /page \d+ of 13.*You can ask already/s }).waitFor();
  await leave();
});
