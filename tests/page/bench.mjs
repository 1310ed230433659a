// What a suite stands on: a browser for all its tests, and a service, which is the mock or the one that QUIRE_PAGE_URL names.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { launch, open } from "./browser.mjs";
import { start } from "./mock/server.mjs";

/** The real service's address, where one is tested. */
export const REAL = process.env.QUIRE_PAGE_URL?.replace(/\/$/, "") ?? null;

/** One browser for the suite. Returns `visit(service, options)`: a page whose complaints and foreign requests fail the test at `leave`. */
export function browserFor() {
  let browser;
  before(async () => { browser = await launch(); });
  after(async () => { await browser.close(); });
  return async (service, { path = "", ...options } = {}) => {
    const opened = await open(browser, options);
    const { page, requests, complaints } = opened;
    await page.goto(`${service.url}/${path}`);
    await page.waitForSelector("#view h1", { state: "attached" });
    return {
      ...opened,
      /** Closes the page; nothing may have been asked of anybody else, nothing may have gone wrong unseen. */
      async leave({ allow = [] } = {}) {
        await opened.close();
        const foreign = requests.filter((url) => !url.startsWith(`${service.url}/`) && !/^(data|blob):/.test(url));
        assert.deepEqual(foreign, [], "requests to somebody else");
        assert.deepEqual(complaints.filter((text) => !allow.some((pattern) => pattern.test(text))), [], "complaints of the page");
      },
    };
  };
}

/** A mock over `world`, closed when the test ends. */
export async function mockFor(test, world) {
  const service = await start(await world);
  test.after(() => service.close());
  return service;
}

export const askFor = (question, more = {}) => `#/ask?${new URLSearchParams({ q: question, ...more })}`;

export const QUESTIONS = {
  ferries: "How many passengers travelled on the Port Tarrow to Ness Isle route in 2024/25?",
  gauge: "What should I do when the tide gauge shows error E-201, echo lost?",
  scan: "How long is the crack in the hinge pin of the Ness Isle linkspan?",
  nothing: "quantum chromodynamics of penguins",
};

/** Lets `trigger` open the choice of files, and chooses `files`. */
export async function choose(page, files, trigger) {
  const chooser = page.waitForEvent("filechooser");
  // The browser has to know that somebody waits for the choice before it is opened.
  await page.evaluate(() => new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next))));
  await trigger();
  await (await chooser).setFiles(files);
}
