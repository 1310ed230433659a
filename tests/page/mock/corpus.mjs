// The mock's documents: real files, read with poppler (pdftotext, pdftoppm). Words with their boxes, page images, titles.
// It never invents text: what the mock finds, stands in the file.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const here = dirname(fileURLToPath(import.meta.url));
export const DEMO_FOLDER = resolve(here, "../../../demo/documents");
const CACHE = resolve(here, "../.cache");

/** What stands in pictures, which have no text layer: a page model finds the words, but nobody can quote them. Lines as fractions of the page. */
const SCANS = {
  "scanned-letter.pdf": {
    title: "Scan_20250314_0907",
    lines: {
      1: [
        ["Linkspan at Ness Isle: cracked hinge pin and works in November", 0.116, 0.274, 0.722, 0.293],
        ["I write about the linkspan at Ness Isle. On 4 March our diver, Mr Alder, inspected the", 0.118, 0.345, 0.876, 0.368],
        ["seaward hinge at low water and found a crack 38 millimetres long in the eastern", 0.118, 0.367, 0.835, 0.39],
        ["hinge pin. The western pin is sound. The engineer has therefore lowered the", 0.119, 0.389, 0.803, 0.412],
      ],
    },
  },
  "photo-of-receipt.jpg": { title: "photo-of-receipt.jpg", lines: { 1: [["receipt total paid", 0.3, 0.5, 0.7, 0.55]] } },
  "site-notice.png": { title: "site-notice.png", lines: { 1: [["notice site closed works", 0.12, 0.2, 0.88, 0.3]] } },
};

/** An id in the shape of a UUID, the same for the same source. */
export function idOf(text) {
  const hex = createHash("sha256").update(text).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** Words and lines of a PDF's pages: [{width, height (points), lines: [{text, words: [{text, left, top, right, bottom}]}]}]. */
async function readPdf(path) {
  const { stdout } = await run("pdftotext", ["-bbox-layout", path, "-"], { maxBuffer: 1 << 28 });
  const title = decode(/<title>([^<]*)<\/title>/.exec(stdout)?.[1] ?? "");
  const pages = stdout.split("<page ").slice(1).map((part) => {
    let [, width, height] = /width="([\d.]+)" height="([\d.]+)"/.exec(part).map(Number);
    // Of a turned page the words are told as it is shown, its size as it was made.
    if ([...part.matchAll(/xMax="([\d.]+)"/g)].some(([, right]) => Number(right) > width + 1)) [width, height] = [height, width];
    const lines = part.split("<line ").slice(1).map((line) => {
      const words = [...line.matchAll(/<word xMin="([\d.-]+)" yMin="([\d.-]+)" xMax="([\d.-]+)" yMax="([\d.-]+)">([^<]*)</g)];
      return {
        words: words.map(([, left, top, right, bottom, text]) => ({
          text: decode(text), left: left / width, top: top / height, right: right / width, bottom: bottom / height,
        })),
      };
    });
    return { width, height, lines: asRows(lines) };
  });
  return { title, pages };
}

/** Cells of a table's row come as lines of their own: what stands at one height is one line. */
function asRows(lines) {
  const rows = [];
  const middle = (word) => (word.top + word.bottom) / 2;
  for (const line of lines.filter((other) => other.words.length > 0)) {
    const at = middle(line.words[0]);
    const row = rows.find((other) => Math.abs(middle(other.words[0]) - at) < 0.004);
    if (row) row.words.push(...line.words);
    else rows.push(line);
  }
  for (const row of rows) {
    row.words.sort((one, other) => one.left - other.left);
    row.text = row.words.map((word) => word.text).join(" ");
  }
  return rows.sort((one, other) => one.words[0].top - other.words[0].top);
}

function decode(text) {
  const names = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", "#39": "'" };
  return text.replace(/&(#?\w+);/g, (whole, name) => names[name] ?? whole).trim();
}

/** One file as the mock keeps it. Throws what a reader of documents says of a file that it can't read. */
export async function readDocument(path, source = path) {
  const bytes = await readFile(path);
  const name = basename(source);
  const kind = extname(name).toLowerCase();
  const magic = { ".pdf": "%PDF", ".png": "\x89PNG", ".jpg": "\xff\xd8", ".jpeg": "\xff\xd8" }[kind];
  if (!magic) throw new Error(`${name} is not a kind of file that is read: PDF, PNG, JPEG and TIFF are`);
  const start = bytes.subarray(0, 8).toString("latin1");
  if (bytes.length === 0) throw new Error(`${name} is named as a ${kind.slice(1).toUpperCase()} file but is empty (0 bytes)`);
  if (!start.startsWith(magic)) throw new Error(`${name} is named as a ${kind.slice(1).toUpperCase()} file but begins with ${JSON.stringify(start)}`);
  const scan = SCANS[name];
  let read;
  if (kind === ".pdf") read = await readPdf(path);
  else read = { title: name, pages: [{ width: 595, height: kind === ".png" ? 816 : 793, lines: [] }] };
  if (scan) {
    read.title = scan.title;
    read.pages.forEach((page, index) => {
      page.lines = (scan.lines[index + 1] ?? []).map(([text, left, top, right, bottom]) => {
        // Every letter is taken for as wide as every other.
        const step = (right - left) / text.length;
        let at = 0;
        const words = text.split(" ").map((word) => {
          const box = { text: word, left: left + at * step, top, right: left + (at + word.length) * step, bottom };
          at += word.length + 1;
          return box;
        });
        return { text, words };
      });
      page.scanned = true;
    });
  }
  return { path, source, title: read.title || name, pages: read.pages, size_bytes: bytes.length, id: idOf(source) };
}

/** The path of a page's JPEG (or the picture itself), made on first use. */
export async function pageImage(document, page, width = 1100) {
  if (extname(document.path).toLowerCase() !== ".pdf") return document.path;
  await mkdir(CACHE, { recursive: true });
  const key = createHash("sha256").update(document.path + (await stat(document.path)).mtimeMs).digest("hex").slice(0, 16);
  const stem = join(CACHE, `${key}-${page}-${width}`);
  if (!existsSync(`${stem}.jpg`)) {
    // Written beside and renamed into place by name: two requests for one page never read half a file.
    const draft = `${stem}.${process.pid}.${Math.random().toString(36).slice(2)}`;
    const args = ["-jpeg", "-jpegopt", "quality=82", "-f", page, "-l", page, "-scale-to-x", width, "-scale-to-y", "-1", "-singlefile"];
    await run("pdftoppm", [...args.map(String), document.path, draft]);
    await copyFile(`${draft}.jpg`, `${stem}.jpg`);
  }
  return `${stem}.jpg`;
}

/** The demo's documents, without the fax (no TIFF in a browser without the service's renderer). */
export async function demoDocuments() {
  const names = (await readdir(DEMO_FOLDER)).filter((name) => /\.(pdf|png|jpg)$/.test(name)).sort();
  return Promise.all(names.map((name) => readDocument(join(DEMO_FOLDER, name), `/home/ada/ferries/${name}`)));
}
