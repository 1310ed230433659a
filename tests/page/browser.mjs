// Debian's Chromium under playwright-core, and what every test wants of a page: its requests and complaints recorded.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const HERE = dirname(fileURLToPath(import.meta.url));
export const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 360, height: 740 } };

const PROGRAM = process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find(existsSync);

/** A browser. Its profile and caches are thrown away at the end. */
export async function launch() {
  if (!PROGRAM) throw new Error("no Chromium: install Debian's package chromium, or name a program in CHROMIUM");
  return chromium.launch({ executablePath: PROGRAM, args: ["--no-sandbox", "--disable-dev-shm-usage"], env: { ...process.env, FONTCONFIG_FILE: join(HERE, "fonts.conf") } });
}

/**
 * A page of its own context. `requests`: every URL that it asked for; `complaints`: errors of scripts, of the console (violations of
 * the policy are among them) and failed assets.
 */
export async function open(browser, { size = "desktop", scheme = "light", ...more } = {}) {
  const context = await browser.newContext({ viewport: SIZES[size], colorScheme: scheme, hasTouch: size === "phone", isMobile: size === "phone", deviceScaleFactor: 1, reducedMotion: "reduce", ...more });
  const page = await context.newPage();
  const requests = [];
  const complaints = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("pageerror", (error) => complaints.push(`script: ${error.stack ?? error}`));
  page.on("console", (message) => { if (message.type() === "error") complaints.push(`console: ${message.text()}`); });
  page.setDefaultTimeout(15_000);
  return { page, context, requests, complaints, close: () => context.close() };
}
