// What the mock knows: documents by tenant, their states, jobs that move, events for whoever listens. No HTTP here.

import { createHash } from "node:crypto";
import { EventEmitter } from "node:events";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { demoDocuments, idOf, readDocument } from "./corpus.mjs";

const RECIPE_MODEL = "quire-glyph@2026-11-27a";

export class World {
  /**
   * `settings` may be changed by a test at any moment:
   * mode: extractive | vlm; retrieval_ms, first_word_ms, word_ms: how slow; break_after: words after which the connection is cut;
   * page_ms: how long a page takes; refuse_uploads: answer 429 so many times; keys: {key: tenant} or null; offline: answer nothing; say: what a model composes.
   */
  constructor(settings = {}) {
    this.settings = {
      mode: "extractive", retrieval_ms: 60, first_word_ms: 40, word_ms: 12, break_after: null, page_ms: 250,
      refuse_uploads: 0, keys: null, offline: false, fail_ask: null, say: null, ...settings,
    };
    this.tenants = new Map();
    this.events = new EventEmitter().setMaxListeners(0);
    this.started = Date.now();
    this.rate = [];
    this.manyRows = [];
  }

  tenant(name) {
    if (!this.tenants.has(name)) this.tenants.set(name, { documents: new Map(), many: 0 });
    return this.tenants.get(name);
  }

  /** The demo's files, indexed. */
  async addDemo(tenant = "default", only = () => true) {
    for (const document of (await demoDocuments()).filter(only)) this.put(tenant, document, { state: "indexed", at: -3_600_000 });
    return this;
  }

  /** A document in a state that a real service reaches rarely. */
  addState(tenant, source, fields) {
    const name = source.split("/").pop();
    return this.put(tenant, { id: idOf(source), source, title: "", pages: [], size_bytes: 48_213, path: null }, { title: name, ...fields });
  }

  /** Rows for a long list: made when first asked for. */
  addMany(tenant, count) {
    this.tenant(tenant).many = count;
    return this;
  }

  put(tenant, document, { state, reason = null, at = 0, title, page_count, failed_pages = [], notes = [], tags = {}, attempts = 1, progress, events }) {
    const record = {
      read: document,
      tenant,
      row: {
        document_id: document.id, collection: "documents", source: document.source, title: state === "rejected" ? "" : (title ?? document.title), state, reason,
        page_count: page_count ?? (state === "indexed" ? document.pages.length : 0), failed_pages, notes, content_hash: idOf(document.source + "content").replaceAll("-", ""),
        tags, attempts, size_bytes: document.size_bytes, updated_at: new Date(Date.now() + at).toISOString(), ...(progress ? { progress } : {}),
      },
      story: events ?? [
        { at: new Date(Date.now() + at - 4000).toISOString(), what: "received", detail: document.source },
        { at: new Date(Date.now() + at).toISOString(), what: state, detail: reason ?? `${document.pages.length} pages, ${RECIPE_MODEL}` },
      ],
    };
    this.tenant(tenant).documents.set(document.id, record);
    return record;
  }

  /** Documents whose pages can be found. */
  searchable(tenant) {
    return [...this.tenant(tenant).documents.values()].filter((record) => record.row.state === "indexed").map((record) => record.read);
  }

  list(tenant, { state, q, limit, offset }) {
    const { documents, many } = this.tenant(tenant);
    if (this.manyRows.length !== many) this.manyRows = Array.from({ length: many }, (_, index) => this.made(index));
    const needle = q?.toLowerCase();
    const fits = (row) => (!state || row.state === state) && (!needle || `${row.title} ${row.source} ${Object.values(row.tags).join(" ")}`.toLowerCase().includes(needle));
    const own = [...documents.values()].map((record) => record.row).sort((one, other) => other.updated_at.localeCompare(one.updated_at));
    const counts = {};
    const rows = [];
    let seen = 0;
    const take = (row) => {
      if (needle && !fits({ ...row, state })) return;
      counts[row.state] = (counts[row.state] ?? 0) + 1;
      if (!fits(row)) return;
      if (seen >= offset && rows.length < limit) rows.push(row);
      seen++;
    };
    own.forEach(take);
    this.manyRows.forEach(take);
    return { documents: rows, next_cursor: seen > offset + rows.length ? String(offset + rows.length) : null, counts };
  }

  made(index) {
    const kinds = ["Survey report", "Delivery note", "Minutes of the harbour board", "Drawing", "Invoice", "Maintenance log"];
    const states = index % 97 === 5 ? "rejected" : index % 1009 === 7 ? "dead" : index % 211 === 3 ? "queued" : "indexed";
    const number = String(index + 1).padStart(6, "0");
    const source = `/srv/archive/${2001 + (index % 25)}/${number}.pdf`;
    return {
      document_id: idOf(source), collection: "documents", source, title: states === "rejected" ? "" : `${kinds[index % kinds.length]} ${number}`, state: states,
      reason: states === "rejected" ? `${number}.pdf needs a password to be opened` : states === "dead" ? "drawing page 3 took longer than 60 s, three times" : null,
      page_count: states === "indexed" ? 1 + (index % 40) : 0, failed_pages: [], notes: [], content_hash: "", tags: index % 3 ? {} : { year: String(2001 + (index % 25)) },
      attempts: 1, size_bytes: 20_000 + index, updated_at: new Date(this.started - 86_400_000 - index * 60_000).toISOString(),
    };
  }

  /** Bytes that came by upload become a document that is worked on. */
  async upload(tenant, name, bytes, tags) {
    const folder = await mkdtemp(join(tmpdir(), "quire-page-"));
    const path = join(folder, name.replaceAll("/", "_"));
    await writeFile(path, bytes);
    const source = `upload:${createHash("sha256").update(bytes).digest("hex")}/${name}`;
    const record = this.put(tenant, { id: idOf(tenant + source), source, title: "", pages: [], size_bytes: bytes.length, path }, { state: "queued", tags, events: [] });
    this.tell(record, "received", name);
    this.work(record);
    return record.row;
  }

  /** The life of a job: opened, a page at a time, indexed; or rejected with the reason. */
  async work(record) {
    const { row } = record;
    const pause = (ms) => new Promise((wake) => setTimeout(wake, ms));
    await pause(this.settings.page_ms);
    if (row.state !== "queued") return;
    row.state = "processing";
    row.reason = null;
    this.tell(record, "started", "");
    try {
      const read = await readDocument(record.read.path, row.source);
      const pages = read.pages.length;
      row.progress = { pages_done: 0, pages };
      this.tell(record, "opened", `${pages} pages`, { pages });
      for (let page = 1; page <= pages; page++) {
        await pause(this.settings.page_ms);
        if (row.state !== "processing") return;
        row.progress = { pages_done: page, pages };
        this.rate.push(Date.now());
        this.events.emit("event", { tenant: record.tenant, what: "page", document_id: row.document_id, source: row.source, collection: row.collection, state: row.state, page });
      }
      Object.assign(record.read, read, { id: row.document_id });
      Object.assign(row, { state: "indexed", title: read.title, page_count: pages, updated_at: new Date().toISOString() });
      delete row.progress;
      this.tell(record, "indexed", `${pages} pages, ${RECIPE_MODEL}`);
    } catch (error) {
      Object.assign(row, { state: "rejected", reason: error.message, updated_at: new Date().toISOString() });
      delete row.progress;
      this.tell(record, "rejected", error.message, { reason: error.message });
    }
  }

  tell(record, what, detail, extra = {}) {
    const { row } = record;
    record.story.push({ at: new Date().toISOString(), what, detail });
    this.events.emit("event", { tenant: record.tenant, what, document_id: row.document_id, source: row.source, collection: row.collection, state: row.state, ...extra });
  }

  status(tenant) {
    const rows = [...this.tenant(tenant).documents.values()].map((record) => record.row);
    const count = (state) => rows.filter((row) => row.state === state).length;
    const now = Date.now();
    const lately = this.rate.filter((at) => now - at < 5000).length / 5;
    const many = this.tenant(tenant).many;
    const pages = rows.reduce((sum, row) => sum + row.page_count, 0) + many * 20;
    const collections = [{
      name: "documents", documents: rows.length + many, pages, plans: ["exact", "pooled", "anchors", "hybrid", "text", "frugal"], plan: "hybrid", model: RECIPE_MODEL,
    }, ...(this.settings.more_collections ?? [])];
    return {
      version: "0.4.0", collections,
      queue: { queued: count("queued"), processing: count("processing"), oldest_s: count("queued") + count("processing") ? 12.4 : null },
      pages_per_second: lately, store: { kind: "edge" }, model: { name: RECIPE_MODEL, device: "cpu" },
      disk: { free_bytes: 182_400_000_000, used_bytes: 15_687_680 + pages * 163_000 },
      watched: [{ path: "/home/ada/ferries", collection: "documents" }], formats: ["pdf", "png", "jpg", "tiff", "webp", "bmp", "gif"],
    };
  }
}
