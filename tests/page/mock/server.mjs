// A server that speaks the service's HTTP surface over the demo's files, for work on the page and for the states that a real service
// is hard to bring into. `node server.mjs [--port N] [--scenario NAME]`; tests call `start`.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { answer, explain } from "./answer.mjs";
import { pageImage } from "./corpus.mjs";
import { heatmapPng } from "./png.mjs";
import { scenarios } from "./scenarios.mjs";
import { heatmap, search } from "./search.mjs";
import { readForm } from "./multipart.mjs";

const UI = resolve(dirname(fileURLToPath(import.meta.url)), "../../../src/server/ui");
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";
const TYPES = { ".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".pdf": "application/pdf", ".png": "image/png", ".jpg": "image/jpeg" };
const SIGNATURE = "expires=1900000000&signature=0123456789abcdef";
const pause = (ms) => new Promise((wake) => setTimeout(wake, ms));

/** Starts a mock over `world`; {url, world, close}. */
export async function start(world, port = 0) {
  const server = createServer((request, response) => {
    handle(world, request, response).catch((error) => {
      if (!response.headersSent) problem(response, error.status ?? 500, error.message);
      else response.destroy();
    });
  });
  await new Promise((ready) => server.listen(port, "127.0.0.1", ready));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    world,
    close: () => { server.closeAllConnections(); return new Promise((done) => server.close(done)); },
  };
}

function problem(response, status, detail, more = {}) {
  const titles = { 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 429: "Too Many Requests", 503: "Service Unavailable" };
  response.writeHead(status, { "content-type": "application/problem+json", ...(more.retry_after_s ? { "retry-after": String(more.retry_after_s) } : {}) });
  response.end(JSON.stringify({ type: "about:blank", title: titles[status] ?? "Error", status, detail, ...more }));
}

function json(response, value, status = 200) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}

async function body(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}

async function handle(world, request, response) {
  const url = new URL(request.url, "http://mock");
  const path = decodeURIComponent(url.pathname);
  if (world.settings.offline) return request.socket.destroy();
  if (path === "/" || path.startsWith("/assets/")) return asset(response, path);
  if (path === "/livez" || path === "/readyz") return json(response, { checks: [] });
  const signed = url.searchParams.has("signature");
  const tenant = caller(world, request, signed ? url.searchParams.get("tenant") ?? "default" : null);
  if (!tenant) return problem(response, 401, "this service needs a key: Authorization: Bearer KEY");
  const route = `${request.method} ${path}`;
  if (route === "POST /v1/ask") return ask(world, tenant, JSON.parse(await body(request)), response);
  if (route === "POST /v1/search") {
    const wanted = JSON.parse(await body(request));
    const hits = search(world.searchable(tenant), wanted.query, wanted.limit ?? 5, wanted.filter);
    return json(response, { hits: hits.map((hit) => describe(hit, tenant)), plan: wanted.plan ?? "hybrid", timings_ms: { embed: 6.3, query: 41.2, total: 49.8 }, ...(wanted.explain ? { explain: explain(hits) } : {}) });
  }
  if (route === "GET /v1/status") return json(response, world.status(tenant));
  if (route === "GET /v1/collections") return json(response, { collections: world.status(tenant).collections });
  if (route === "GET /v1/events") return events(world, tenant, response);
  if (route === "POST /v1/documents") return upload(world, tenant, request, response);
  if (route === "GET /v1/documents") {
    const limit = Math.min(Number(url.searchParams.get("limit") ?? 50), 1000);
    return json(response, world.list(tenant, { state: url.searchParams.get("state"), q: url.searchParams.get("q"), limit, offset: Number(url.searchParams.get("cursor") ?? 0) }));
  }
  const match = /^\/v1\/documents\/([^/]+)(?:\/(.*))?$/.exec(path);
  const record = match && world.tenant(tenant).documents.get(match[1]);
  if (!record) return problem(response, 404, `there is no document ${match?.[1] ?? path}`);
  return document(world, tenant, record, match[2] ?? "", url, request, response);
}

/** The tenant of a request; null for a stranger. A signed link names its own. */
function caller(world, request, signed) {
  if (!world.settings.keys) return "default";
  if (signed) return signed;
  return world.settings.keys[(request.headers.authorization ?? "").replace("Bearer ", "")] ?? null;
}

async function asset(response, path) {
  const name = path === "/" ? "index.html" : path.slice("/assets/".length);
  const file = join(UI, basename(name));
  try {
    const bytes = await readFile(file);
    response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream", "content-security-policy": POLICY, "cache-control": "no-cache" });
    response.end(bytes);
  } catch {
    problem(response, 404, `no asset ${name}`);
  }
}

/** A hit as the service tells it: with links, regions and relevance. */
export function describe(hit, tenant) {
  const { document, page, content, snippet, relevance, regions } = hit;
  const base = `/v1/documents/${document.id}`;
  const sign = `${SIGNATURE}&tenant=${tenant}`;
  const section = document.title.startsWith("Annual") ? ["Traffic", "Passengers and vehicles by route"] : document.title.startsWith("WL-40") ? ["8 Error codes", "8.1 List of codes"] : [];
  return {
    document_id: document.id, source: document.source, title: document.title, page, ...(document.title.startsWith("Annual") && page > 2 ? { page_label: String(page - 2) } : {}),
    page_count: document.pages.length, score: relevance * 1.7, section_title: section.at(-1) ?? null, breadcrumbs: section, snippet, tags: {}, anchor: `#page=${page}`,
    ...(content.scanned ? { text_unreadable: false } : {}), relevance, regions, image: `${base}/pages/${page}/image?${sign}`, original: `${base}/original?${sign}#page=${page}`,
  };
}

async function ask(world, tenant, wanted, response) {
  const { settings } = world;
  if (settings.fail_ask) return problem(response, settings.fail_ask.status, settings.fail_ask.detail, settings.fail_ask);
  const hits = search(world.searchable(tenant), wanted.question, 5, wanted.filter);
  await pause(settings.retrieval_ms);
  const whole = { ...answer(wanted.question, hits, wanted.extractive ? "extractive" : settings.mode, (hit) => describe(hit, tenant), settings.say), usage: null, plan: wanted.plan ?? "hybrid", timings_ms: { embed: 7.1, query: 38.4, answer: 612, total: 664 } };
  if (!wanted.stream) return json(response, whole);
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  const send = (event, data) => response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  send("retrieval", { hits: hits.map((hit) => describe(hit, tenant)), plan: whole.plan, timings_ms: { embed: 7.1, query: 38.4, total: 45.5 } });
  await pause(settings.first_word_ms);
  const pieces = whole.answer.match(/\s*\S+/g) ?? [];
  for (const [index, text] of pieces.entries()) {
    if (response.destroyed) return;
    if (settings.break_after !== null && index >= settings.break_after) {
      // A cut connection takes along what is still on its way: the words before the cut are let through first.
      await pause(500);
      return response.destroy();
    }
    send("delta", { text });
    const cited = /\[(\d+)\]/.exec(text);
    if (cited) send("citation", whole.citations.find((citation) => citation.marker === cited[0]));
    await pause(settings.word_ms);
  }
  send("done", whole);
  response.end();
}

function events(world, tenant, response) {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  response.write(": here\n\n");
  const tell = ({ tenant: whose, what, ...data }) => { if (whose === tenant) response.write(`event: ${what}\ndata: ${JSON.stringify(data)}\n\n`); };
  world.events.on("event", tell);
  response.on("close", () => world.events.off("event", tell));
}

async function upload(world, tenant, request, response) {
  const bytes = await body(request);
  if (world.settings.refuse_uploads > 0) {
    world.settings.refuse_uploads--;
    return problem(response, 429, "the queue is full: 200 documents wait", { retry_after_s: 1 });
  }
  const { files, fields } = readForm(bytes, request.headers["content-type"]);
  const documents = [];
  for (const file of files) documents.push(await world.upload(tenant, file.name, file.bytes, fields.tags ? JSON.parse(fields.tags) : {}));
  return json(response, { documents }, 202);
}

async function document(world, tenant, record, rest, url, request, response) {
  const { row, read } = record;
  if (rest === "" && request.method === "GET") return json(response, row);
  if (rest === "" && request.method === "DELETE") {
    world.tenant(tenant).documents.delete(row.document_id);
    return json(response, { deleted: row });
  }
  if (rest === "retry" && request.method === "POST") {
    Object.assign(row, { state: "queued", reason: null, attempts: 0 });
    world.tell(record, "retrying", "asked for by a person");
    world.work(record);
    return json(response, row);
  }
  if (rest === "cancel" && request.method === "POST") {
    Object.assign(row, { state: "rejected", reason: "cancelled by a person" });
    return json(response, row);
  }
  if (rest === "story") return json(response, { document: row, events: record.story });
  if (rest === "original") {
    response.writeHead(200, { "content-type": TYPES[extname(read.path)], "content-disposition": `inline; filename="${basename(read.source)}"` });
    return response.end(await readFile(read.path));
  }
  const page = /^pages\/(\d+)(?:\/(image|heatmap))?$/.exec(rest);
  const content = page && read.pages[page[1] - 1];
  if (!content) return problem(response, 404, `${row.title} has ${read.pages.length} pages; page ${page?.[1]} is none of them`);
  const number = Number(page[1]);
  if (page[2] === "image") {
    const file = await pageImage(read, number, Math.min(Number(url.searchParams.get("width") ?? 1100), 2400));
    response.writeHead(200, { "content-type": TYPES[extname(file)], "cache-control": "private, max-age=3600" });
    return response.end(await readFile(file));
  }
  if (page[2] === "heatmap") {
    const heat = heatmap(content, url.searchParams.get("q") ?? "");
    if (url.searchParams.get("format") !== "png") return json(response, heat);
    const token = url.searchParams.get("token");
    response.writeHead(200, { "content-type": "image/png" });
    return response.end(heatmapPng(token === null ? heat.boxes : heat.tokens[Number(token)].boxes, content.height / content.width));
  }
  const hit = describe({ document: read, page: number, content, snippet: "", relevance: 0, regions: [] }, tenant);
  const { document_id, title, source, page_label, page_count, section_title, breadcrumbs, image, original } = hit;
  const text = content.scanned ? "" : content.lines.map((line) => line.text).join("\n");
  return json(response, { document_id, title, source, page: number, page_label, page_count, text, section_title, breadcrumbs, width: content.width, height: content.height, image, original });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const option = (name, otherwise) => { const at = process.argv.indexOf(`--${name}`); return at < 0 ? otherwise : process.argv[at + 1]; };
  const make = scenarios[option("scenario", "demo")];
  if (!make) throw new Error(`scenarios: ${Object.keys(scenarios).join(", ")}`);
  const { url } = await start(await make(), Number(option("port", "6400")));
  process.stdout.write(`${url}\n`);
}
