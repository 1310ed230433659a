// Asking: what is shown when, what kind of answer it is, and what happens when something goes wrong on the way.

import assert from "node:assert/strict";
import { test } from "node:test";
import { QUESTIONS, askFor, browserFor, mockFor } from "../bench.mjs";
import { World } from "../mock/world.mjs";

const visit = browserFor();

test("a slow model: the evidence stands before the first word, and stays where it is", async (t) => {
  const service = await mockFor(t, new World({ mode: "vlm", first_word_ms: 3500, word_ms: 5 }).addDemo());
  const { page, leave } = await visit(service, { path: askFor(QUESTIONS.gauge) });
  await page.locator(".card .marked").first().waitFor({ state: "attached" });
  assert.equal(await page.locator(".words").innerText(), "");
  assert.equal(await page.locator(".words .skeleton").count(), 3);
  const where = () => page.locator(".card").evaluateAll((cards) => cards.map((card) => `${card.dataset.key} ${card.getBoundingClientRect().top}`));
  const before = await where();
  await page.locator(".verdict", { hasText: /3 s so far|4 s so far/ }).waitFor();
  await page.locator(".verdict", { hasText: "not confirmed yet" }).waitFor();
  assert.deepEqual(await where(), before, "nothing jumps while it streams");
  await page.locator(".verdict", { hasText: "Written by a model from 2 pages" }).waitFor();
  assert.equal(await page.locator(".words strong").first().innerText(), "E-201");
  assert.equal(await page.locator(".words ol li").count(), 3);
  assert.equal(await page.locator(".answer.quoted").count(), 0);
  await leave();
});

test("quoted and composed answers look different, and say which they are", async (t) => {
  const service = await mockFor(t, new World({ mode: "vlm" }).addDemo());
  const { page, leave } = await visit(service, { path: askFor(QUESTIONS.ferries) });
  await page.locator(".verdict", { hasText: "Written by a model" }).waitFor();
  const composed = await page.locator(".words p").first().evaluate((element) => getComputedStyle(element).fontFamily);
  await page.getByLabel("Quotes only").check();
  await page.locator("#question").press("Enter");
  await page.locator(".verdict", { hasText: "Quoted from the pages, word for word" }).waitFor();
  const quoted = await page.locator(".quotation").evaluate((element) => getComputedStyle(element).fontFamily);
  assert.notEqual(composed, quoted);
  assert.match(page.url(), /extractive=1/);
  await leave();
});

test("nothing found: said so, with the nearest pages and no sentence made up", async (t) => {
  const service = await mockFor(t, new World().addDemo());
  const { page, leave } = await visit(service, { path: askFor(QUESTIONS.nothing) });
  await page.locator(".verdict.none").waitFor();
  assert.match(await page.locator(".verdict").innerText(), /^Nothing in these 41 pages matches well enough\. The nearest pages are below\./);
  assert.match(await page.locator(".verdict").innerText(), /No page found says 'quantum'/);
  assert.equal(await page.locator(".words").innerText(), "");
  assert.equal(await page.locator(".card").count(), 3);
  assert.match(await page.locator(".evidence h2").innerText(), /^The nearest pages/);
  const [verdict, card] = await Promise.all([".verdict", ".card"].map((name) => page.locator(name).first().boundingBox()));
  assert.ok(card.y > verdict.y + verdict.height, "below, as it says");
  await leave();
});

test("an answer that no page backs is marked above its words", async (t) => {
  const service = await mockFor(t, new World({ mode: "vlm-unsupported" }).addDemo());
  const { page, leave } = await visit(service, { path: askFor(QUESTIONS.gauge) });
  await page.locator(".verdict.warn", { hasText: "No page backs this answer" }).waitFor();
  const [verdict, words] = await Promise.all([".verdict", ".words"].map((name) => page.locator(name).boundingBox()));
  assert.ok(verdict.y + verdict.height <= words.y);
  await leave();
});

test("a page without a text layer: the picture is the answer", async (t) => {
  const service = await mockFor(t, new World().addDemo());
  const { page, leave } = await visit(service, { path: askFor(QUESTIONS.scan) });
  await page.locator(".card.cited", { hasText: "the picture is the answer, and it can't be quoted" }).waitFor();
  await page.locator(".verdict", { hasText: "The picture is the answer" }).waitFor();
  assert.equal(await page.locator(".answer.quoted").count(), 0, "nothing is shown as a quote");
  await page.locator(".card.cited .card-link").first().click();
  await page.locator(".chip").first().waitFor();
  await page.keyboard.press("t");
  await page.locator(".page-text", { hasText: "no text layer" }).waitFor();
  await leave();
});

test("a lost connection: what stands stays, and it can be asked again", async (t) => {
  const world = await new World({ mode: "vlm", break_after: 9 }).addDemo();
  const service = await mockFor(t, world);
  const { page, leave } = await visit(service, { path: askFor(QUESTIONS.gauge) });
  await page.locator(".verdict.bad", { hasText: "The connection was lost" }).waitFor();
  assert.match(await page.locator(".words").innerText(), /E-201 means echo lost/);
  assert.equal(await page.locator(".card").count(), 5);
  world.settings.break_after = null;
  await page.getByRole("button", { name: "Try again" }).click();
  await page.locator(".verdict", { hasText: "Written by a model from 2 pages" }).waitFor();
  await leave({ allow: [/ERR_/] });
});

test("a service that is away is said to be away, and found again", async (t) => {
  const world = await new World().addDemo();
  const service = await mockFor(t, world);
  const { page, leave } = await visit(service);
  await page.waitForFunction(() => performance.getEntriesByType("resource").some(({ name }) => name.endsWith("/crop.js")));
  world.settings.offline = true;
  await page.locator("#question").fill(QUESTIONS.ferries);
  await page.keyboard.press("Enter");
  await page.locator(".verdict.bad", { hasText: "can't be reached" }).waitFor();
  world.settings.offline = false;
  await page.locator(".verdict").getByRole("button", { name: "Try again" }).click();
  await page.locator(".card.cited").first().waitFor();
  await leave({ allow: [/ERR_/] });
});

test("a refusal says what the service says", async (t) => {
  const world = await new World({ fail_ask: { status: 503, detail: "the model is being loaded: try again in 20 s" } }).addDemo();
  const { page, leave } = await visit(await mockFor(t, world), { path: askFor(QUESTIONS.ferries) });
  await page.locator(".verdict.bad", { hasText: "the model is being loaded" }).waitFor();
  await leave({ allow: [/503/] });
});

test("an answer is foreign text: no links, no images, no HTML come of it", async (t) => {
  const world = await new World({ mode: "vlm" }).addDemo();
  world.settings.say = "Look [here](javascript:alert(1)) and ![x](https://evil.example/p.png) <img src=x onerror=alert(1)> <b>bold</b> [1]";
  const { page, leave } = await visit(await mockFor(t, world), { path: askFor(QUESTIONS.gauge) });
  await page.locator(".verdict", { hasText: "Written by a model" }).waitFor();
  assert.match(await page.locator(".words").innerText(), /Look here and x <img src=x onerror=alert\(1\)> <b>bold<\/b>/);
  assert.equal(await page.locator(".words img, .words b, .words a:not(.marker)").count(), 0);
  await leave();
});

test("moving to another view and back loses neither answer nor a word of it", async (t) => {
  const service = await mockFor(t, new World({ mode: "vlm", first_word_ms: 300, word_ms: 40 }).addDemo());
  const { page, requests, leave } = await visit(service, { path: askFor(QUESTIONS.gauge) });
  await page.locator(".verdict", { hasText: "not confirmed yet" }).waitFor();
  await page.keyboard.press("g");
  await page.keyboard.press("d");
  await page.locator(".row-line").first().waitFor();
  await page.keyboard.press("g");
  await page.locator(".views").getByText("Ask").click();
  await page.locator(".verdict", { hasText: "Written by a model from 2 pages" }).waitFor();
  assert.match(await page.locator(".words").innerText(), /alarm relay stays open/);
  const asked = requests.filter((url) => url.endsWith("/v1/ask")).length;
  assert.equal(asked, 1);
  await leave();
});

test("one document alone can be asked", async (t) => {
  const world = await new World().addDemo();
  const service = await mockFor(t, world);
  const manual = world.searchable("default").find(({ title }) => title.startsWith("WL-40"));
  const { page, leave } = await visit(service, { path: askFor("warranty", { document: manual.id }) });
  await page.locator(".card").first().waitFor();
  await page.locator(".only", { hasText: "WL-40" }).waitFor();
  for (const title of await page.locator(".card h3").allInnerTexts()) assert.match(title, /WL-40/);
  await leave();
});
