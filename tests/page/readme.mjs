// The pictures of README.md, of a real service that holds the demo's documents, into docs/page:
//
//     make page-pictures QUIRE_PAGE_URL=http://localhost:PORT
//
// They are to be looked at before they are committed.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { QUESTIONS, askFor } from "./bench.mjs";
import { HERE, launch, open } from "./browser.mjs";

const SERVICE = process.env.QUIRE_PAGE_URL?.replace(/\/$/, "");
if (!SERVICE) throw new Error("QUIRE_PAGE_URL is not set: name a running service that holds the demo's documents");
const FOLDER = process.env.QUIRE_PAGE_PICTURES ?? join(HERE, "../../docs/page");

const answered = (page) => page.locator(".answer-foot .quiet").first().waitFor();
/** Pictures of pages come after the words: a picture without them would be of a moment that nobody looks at. */
const painted = (page) => page.waitForFunction(() => [...document.images].every((image) => image.complete || image.getBoundingClientRect().top > innerHeight));

const ask = { path: askFor(QUESTIONS.ferries), ready: answered };
const PICTURES = {
  answer: ask,
  "answer-dark": { ...ask, scheme: "dark" },
  phone: { ...ask, size: "phone" },
  documents: { path: "#/documents", ready: (page) => page.locator(".row-line").nth(8).waitFor() },
  "documents-dark": { path: "#/documents", scheme: "dark", ready: (page) => page.locator(".row-line").nth(8).waitFor() },
  read: {
    path: askFor(QUESTIONS.ferries),
    ready: async (page) => {
      await answered(page);
      await page.locator(".marker").first().click();
      await page.locator(".sheet .marked").first().waitFor();
    },
  },
  "behind-dark": {
    path: askFor(QUESTIONS.ferries), scheme: "dark",
    ready: async (page) => {
      await answered(page);
      await page.locator(".views [data-view=behind]").click();
      await page.locator(".stage-box").first().waitFor();
    },
  },
};

await mkdir(FOLDER, { recursive: true });
const browser = await launch();
try {
  for (const [name, { path, ready, size, scheme }] of Object.entries(PICTURES)) {
    const { page, complaints, close } = await open(browser, { size, scheme });
    await page.goto(`${SERVICE}/${path}`);
    await ready(page);
    await painted(page);
    await page.screenshot({ path: join(FOLDER, `${name}.png`) });
    await close();
    if (complaints.length) throw new Error(`${name}: ${complaints.join("\n")}`);
  }
} finally {
  await browser.close();
}
