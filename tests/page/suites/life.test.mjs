// The life of a document, from the drop to its end, as one person sees it. Over the mock, or over a real service (QUIRE_PAGE_URL).

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { QUESTIONS, REAL, browserFor, choose, mockFor } from "../bench.mjs";
import { DEMO_FOLDER } from "../mock/corpus.mjs";
import { World } from "../mock/world.mjs";

const visit = browserFor();
/** A service that wants keys has a test of its own. */
const skip = process.env.QUIRE_PAGE_KEYS ? "only the keys are tested" : false;
const FILE = join(DEMO_FOLDER, "annual-report-2025.pdf");
const TITLE = "Annual Report and Accounts 2025";

test("upload, ask, look at the evidence, open the original, delete, ask again", { skip, timeout: 240_000 }, async (t) => {
  const service = REAL ? { url: REAL } : await mockFor(t, new World({ page_ms: 40 }));
  const { page, leave } = await visit(service);
  page.setDefaultTimeout(REAL ? 120_000 : 15_000);

  // Upload: chosen through the button, followed to the last page in the dock, also while the views change.
  await choose(page, FILE, () => page.getByRole("button", { name: "Add files" }).click());
  await page.locator(".views").getByText("Documents").click();
  await page.locator(".dock-row", { hasText: "annual-report-2025.pdf" }).getByText(/indexed/).waitFor();
  await page.locator(".row-line", { hasText: TITLE }).getByText("Indexed").waitFor();

  // Ask: the answer cites the page that says it, and shows the place.
  await page.keyboard.press("/");
  await page.keyboard.type(QUESTIONS.ferries);
  await page.keyboard.press("Enter");
  await page.locator(".answer-foot .quiet").first().waitFor();
  assert.match(await page.locator(".verdict").innerText(), /Quoted from the pages|Written by a model/);
  assert.match(await page.locator(".words").innerText(), /81,315/);
  const cited = page.locator(".card.cited", { hasText: TITLE }).first();
  assert.match(await cited.innerText(), /page 5 \(printed 3\) of 13/);
  await cited.locator(".marked").first().waitFor({ state: "attached" });

  // A marker lights its card, and the card its sentence.
  const marker = page.locator(".marker").first();
  await marker.hover();
  assert.equal(await page.locator(".card.lit").count(), 1);
  await cited.hover();
  assert.ok((await page.locator(".sentence.lit").count()) >= 1);

  // Read: the page large, a heatmap for each word.
  await marker.click();
  await page.locator(".chip[aria-checked=true]", { hasText: "All words" }).waitFor();
  assert.ok((await page.locator(".sheet .marked").count()) >= 1);
  assert.ok(await page.locator(".sheet .paper").evaluate((image) => image.decode().then(() => image.naturalWidth > 600)));
  await page.keyboard.press("ArrowRight");
  await page.locator(".sheet .heat").waitFor();
  assert.ok(await page.locator(".sheet .heat").evaluate((image) => image.decode().then(() => image.naturalWidth > 0)));
  assert.equal(await page.locator(".chip[aria-checked=true]").count(), 1);

  // The original opens at this page.
  const original = await page.getByRole("link", { name: /original/i }).getAttribute("href");
  assert.match(original, /#page=5$/);
  const answer = await fetch(new URL(original, service.url));
  assert.equal(answer.headers.get("content-type"), "application/pdf");
  assert.deepEqual(Buffer.from(await answer.arrayBuffer()), await readFile(FILE));

  // A link to this page can be given away: another person sees the same.
  const shared = page.url();
  const other = await visit(service, { path: shared.slice(service.url.length + 1) });
  await other.page.locator(".chip[aria-checked=true]").waitFor();
  assert.match(await other.page.locator("h1").innerText(), new RegExp(TITLE));
  await other.leave();

  // Delete, at once (the time for undoing is cut short), and ask again.
  await page.locator(".views").getByText("Documents").click();
  await page.locator(".row-line", { hasText: TITLE }).focus();
  await page.keyboard.press("Delete");
  const gone = page.waitForResponse((response) => response.request().method() === "DELETE");
  await page.locator(".toast").getByRole("button", { name: "Dismiss" }).click();
  assert.equal((await gone).status(), 200);
  assert.equal(await page.locator(".row-line", { hasText: TITLE }).count(), 0);
  await page.locator(".views").getByText("Ask").click();
  await page.locator("#question").fill(QUESTIONS.ferries);
  await page.keyboard.press("Enter");
  await page.locator(".verdict.none").waitFor();
  assert.equal(await page.locator(".card", { hasText: TITLE }).count(), 0);
  await leave();
});

test("what can't be read is rejected with its reason", { skip, timeout: 120_000 }, async (t) => {
  const service = REAL ? { url: REAL } : await mockFor(t, new World({ page_ms: 20 }));
  const { page, leave } = await visit(service, { path: "#/documents" });
  page.setDefaultTimeout(REAL ? 60_000 : 15_000);
  await choose(page, { name: "broken.pdf", mimeType: "application/pdf", buffer: Buffer.from("this is no PDF at all\n") }, () => page.keyboard.press("u"));
  await page.locator(".dock-row", { hasText: "broken.pdf" }).getByText("rejected").waitFor();
  const row = page.locator(".row-line", { hasText: "broken.pdf" });
  await row.getByText("Rejected").waitFor();
  assert.match(await row.locator(".doc-why").innerText(), /named as a PDF.*Check the file where it comes from/);
  await row.click();
  await page.locator(".story .events li").first().waitFor();
  assert.match(await page.locator(".story").innerText(), /named as a PDF/);
  await page.locator(".story").getByRole("button", { name: "Delete" }).click();
  await page.locator(".toast").getByRole("button", { name: "Dismiss" }).click();
  await row.waitFor({ state: "detached" });
  await leave();
});
