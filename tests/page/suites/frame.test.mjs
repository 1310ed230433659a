// What holds on every view: weight, policy, keys of the service, keyboard, themes, accessibility.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { test } from "node:test";
import { QUESTIONS, REAL, askFor, browserFor, mockFor } from "../bench.mjs";
import { scenarios } from "../mock/scenarios.mjs";
import { World } from "../mock/world.mjs";

const visit = browserFor();
/** Options of tests that need the mock's worlds. */
const MOCK = { skip: REAL ? "needs the mock" : false };
const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

test("the first paint weighs less than 100 kB", MOCK, async (t) => {
  const { page, leave } = await visit(await mockFor(t, scenarios.demo()));
  await page.locator(".start p").first().waitFor();
  const { sizes, painted } = await page.evaluate(() => {
    const all = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
    return { sizes: all.filter(({ name }) => !name.includes("/v1/")).map(({ name, decodedBodySize, startTime }) => [name, decodedBodySize, startTime]), painted: performance.getEntriesByName("first-contentful-paint")[0].startTime };
  });
  const before = sizes.filter(([, , start]) => start < painted);
  const total = before.reduce((sum, [, size]) => sum + size, 0);
  assert.ok(total > 20_000, "something was measured");
  assert.ok(total < 100_000, `${total} bytes before the first paint`);
  await leave();
});

test("two tenants with their keys: each sees its own, the key stays in its tab", async (t) => {
  const keys = process.env.QUIRE_PAGE_KEYS?.split(",");
  if (REAL && !keys) return t.skip("QUIRE_PAGE_KEYS names two keys of the real service");
  const service = REAL ? { url: REAL } : await mockFor(t, scenarios.keys());
  const [ada, bo] = keys ?? ["key-of-ada", "key-of-bo"];
  const seen = [];
  for (const [key, wrong] of [[ada, "no such key"], [bo, null]]) {
    const { page, leave } = await visit(service, { path: "#/documents" });
    const dialog = page.locator("dialog");
    await dialog.getByText("This service needs a key").waitFor();
    if (wrong) {
      await dialog.getByLabel("Key", { exact: true }).fill(wrong);
      await page.keyboard.press("Enter");
      await dialog.getByText("is not accepted").waitFor();
    }
    await dialog.getByLabel("Key", { exact: true }).fill(key);
    await page.keyboard.press("Enter");
    await page.locator(".row-line").first().waitFor();
    seen.push(await page.locator(".row-line .doc-title").allInnerTexts());
    assert.deepEqual(await page.evaluate(() => [Object.values(localStorage), document.cookie]), [[], ""]);
    // Pictures open without the header; a word's heatmap needs it.
    await page.goto(`${service.url}/${askFor(REAL ? seen.at(-1)[0] : "year display error passengers report")}`);
    await page.locator(".card .marked").first().waitFor({ state: "attached" });
    await page.getByRole("button", { name: "Forget the key" }).click();
    await page.locator("dialog").getByText("This service needs a key").waitFor();
    await leave({ allow: [/401/] });
  }
  assert.equal(seen[0].filter((title) => seen[1].includes(title)).length, 0);
});

test("a key that nobody gives leaves the page standing", MOCK, async (t) => {
  const { page, leave } = await visit(await mockFor(t, scenarios.keys()), { path: askFor(QUESTIONS.ferries) });
  await page.getByRole("button", { name: "Not now" }).click();
  await page.waitForTimeout(0);
  for (let turn = 0; turn < 6 && (await page.locator("dialog[open]").count()); turn++) await page.getByRole("button", { name: "Not now" }).click();
  await page.locator(".verdict.bad").waitFor();
  await leave({ allow: [/401/] });
});

test("every view by the keyboard, and the keys are told", MOCK, async (t) => {
  const { page, leave } = await visit(await mockFor(t, scenarios.demo()));
  await page.keyboard.press("?");
  await page.locator("dialog", { hasText: "to the question" }).waitFor();
  await page.keyboard.press("Escape");
  for (const [key, title] of [["d", "Documents"], ["b", "Behind it"], ["a", "Ask"]]) {
    await page.keyboard.press("g");
    await page.keyboard.press(key);
    await page.waitForFunction((wanted) => document.title.startsWith(wanted), title);
  }
  await page.keyboard.press("g");
  await page.keyboard.press("b");
  await page.keyboard.press("/");
  await page.waitForFunction(() => document.activeElement?.id === "question");
  await page.keyboard.type("E-201 echo lost");
  await page.keyboard.press("Enter");
  await page.locator(".card.cited").first().waitFor();
  // From the question to the first evidence by Tab alone.
  for (let turn = 0; turn < 15; turn++) {
    await page.keyboard.press("Tab");
    if (await page.evaluate(() => document.activeElement.matches(".marker"))) break;
  }
  assert.equal(await page.locator(".card.lit").count(), 1, "the focused marker lights its card");
  await page.keyboard.press("Enter");
  await page.locator(".chip").first().waitFor();
  const pages = [];
  for (const key of ["PageDown", "PageUp", "PageUp"]) {
    await page.keyboard.press(key);
    await page.waitForFunction((known) => document.querySelector(".pager input").value !== known, pages.at(-1) ?? "9");
    pages.push(await page.locator(".pager input").inputValue());
  }
  assert.deepEqual(pages, ["10", "9", "8"]);
  await page.keyboard.press("+");
  await page.locator("output", { hasText: "125%" }).waitFor();
  await page.keyboard.press("0");
  await page.locator("output", { hasText: "100%" }).waitFor();
  await page.keyboard.press("Escape");
  await page.locator(".card.cited").first().waitFor();
  await leave();
});

test("colours: as the system has them, or as chosen, and the choice stays", MOCK, async (t) => {
  const { page, leave } = await visit(await mockFor(t, scenarios.demo()), { scheme: "dark" });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await ground();
  await page.getByRole("button", { name: /^Colours/ }).click();
  const light = await ground();
  assert.notEqual(light, dark);
  await page.reload();
  await page.locator(".start p").first().waitFor();
  assert.equal(await ground(), light);
  await page.getByRole("button", { name: /^Colours/ }).click();
  assert.equal(await ground(), dark);
  await leave();
});

test("how a search went is drawn as a flow", MOCK, async (t) => {
  const { page, leave } = await visit(await mockFor(t, scenarios.demo()), { path: askFor(QUESTIONS.gauge) });
  await page.locator(".card.cited").first().waitFor();
  await page.getByRole("link", { name: "How were they found?" }).click();
  await page.locator(".stage-box").first().waitFor();
  assert.deepEqual(await page.locator(".stage-box strong").allInnerTexts(), ["question", "anchors", "text", "patches", "text", "sum", "pages"]);
  assert.match(await page.locator(".stage-box", { hasText: "anchors" }).innerText(), /37 candidates\s+14 ms/);
  assert.equal(await page.locator(".panel").first().locator("tbody tr").count(), 5);
  assert.match(await page.locator(".tiles").innerText(), /Queue\s+2 documents.*Model\s+quire-glyph.*Disk/s);
  await leave();
});

for (const scheme of ["light", "dark"]) {
  for (const size of ["desktop", "phone"]) {
    test(`axe finds nothing serious: ${scheme}, ${size}`, MOCK, async (t) => {
      const world = await scenarios.demo();
      const service = await mockFor(t, world);
      const id = world.searchable("default").find(({ title }) => title.startsWith("Annual")).id;
      const views = [
        ["", ".start p"], [askFor(QUESTIONS.ferries), ".answer-foot .quiet"], [askFor(QUESTIONS.nothing), ".verdict.none"], ["#/documents", ".row-line"],
        ["#/documents?document=" + [...world.tenant("default").documents.values()].find(({ row }) => row.state === "dead").row.document_id, ".story .events"],
        [`#/read/${id}/5?q=passengers+route`, ".chip"], ["#/behind", ".tile .figure"],
      ];
      const { page, context, leave } = await visit(service, { scheme, size, bypassCSP: true });
      for (const [path, ready] of views) {
        await page.goto("about:blank");
        await page.goto(`${service.url}/${path}`);
        await page.locator(ready).first().waitFor();
        await page.evaluate(AXE);
        const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
        const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
        assert.deepEqual(serious.map(({ id: rule, nodes }) => [rule, nodes.slice(0, 3).map(({ html, failureSummary }) => `${html.slice(0, 160)} ${failureSummary}`)]), [], `on ${path || "the start"}`);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wide <= 0, `${path} is ${wide} pixels wider than the window`);
      }
      assert.ok(context);
      await leave();
    });
  }
}

test("whoever gives no key is asked once, not every few seconds", MOCK, async (t) => {
  const { page, leave } = await visit(await mockFor(t, scenarios.keys()));
  await page.clock.install();
  await page.getByRole("button", { name: "Not now" }).click();
  for (let turn = 0; turn < 4; turn++) {
    const asked = page.waitForResponse((response) => response.url().endsWith("/v1/status"));
    await page.clock.runFor(11_000);
    assert.equal((await asked).status(), 401);
    assert.equal(await page.locator("dialog[open]").count(), 0);
  }
  await leave({ allow: [/401/] });
});
