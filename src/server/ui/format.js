// Numbers, sizes and times as people read them.

const NUMBER = new Intl.NumberFormat("en");
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const MOMENT = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });

export const number = (value) => NUMBER.format(value);

/** `1 page`, `43 pages`. */
export const count = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

export function bytes(value) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let at = 0;
  let left = value;
  while (left >= 1000 && at < units.length - 1) {
    left /= 1000;
    at++;
  }
  return `${at === 0 || left >= 100 ? Math.round(left) : left.toFixed(1)} ${units[at]}`;
}

/** Milliseconds: `46 ms`, `0.7 s`, `12 s`. */
export function duration(ms) {
  if (ms < 1) return `${ms.toFixed(1)} ms`;
  if (ms < 500) return `${Math.round(ms)} ms`;
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 90_000) return `${Math.round(ms / 1000)} s`;
  if (ms < 5_400_000) return `${Math.round(ms / 60_000)} min`;
  return `${Math.round(ms / 3_600_000)} h`;
}

/** How long ago: `just now`, `12 min ago`, `3 h ago`, else the day. */
export function ago(rfc3339, now = Date.now()) {
  const seconds = (now - Date.parse(rfc3339)) / 1000;
  if (Number.isNaN(seconds)) return "";
  if (seconds < 45) return "just now";
  if (seconds < 3600) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h ago`;
  return DAY.format(Date.parse(rfc3339));
}

export const moment = (rfc3339) => MOMENT.format(Date.parse(rfc3339));

/** The last part of a path or URL. */
export const fileName = (source) => source.replace(/[/\\]+$/, "").split(/[/\\]/).pop().replace(/^upload:/, "") || source;

/** Where a document came from, in words: an upload has a name and a hash, and only one of them is to be read. */
export const sourceWords = ({ source, title }) => {
  if (!source.startsWith("upload:")) return source;
  const name = fileName(source);
  return !title || title === name ? "Uploaded" : `Uploaded as ${name}`;
};

/** `page 5 of 13`, with the printed number where it is another. */
export function pageWords({ page, page_label, page_count }) {
  const printed = page_label && page_label !== String(page) ? ` (printed ${page_label})` : "";
  return `page ${page}${printed}${page_count ? ` of ${page_count}` : ""}`;
}
