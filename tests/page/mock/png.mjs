// A heatmap as a PNG, as the service draws one: amber, more opaque where it is hotter. Shape of the page, no text.

import { crc32, deflateSync } from "node:zlib";

/** `boxes`: fractions of the page; `aspect`: height divided by width. */
export function heatmapPng(boxes, aspect, width = 160) {
  const height = Math.max(1, Math.round(width * aspect));
  const rows = Buffer.alloc(height * (1 + width * 4));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let heat = 0;
      for (const box of boxes) {
        const dx = Math.max(0, box.left - x / width, x / width - box.right);
        const dy = Math.max(0, box.top - y / height, y / height - box.bottom) * aspect;
        heat = Math.max(heat, (box.score ?? 1) * Math.exp(-(dx * dx + dy * dy) / 0.0009));
      }
      const at = y * (1 + width * 4) + 1 + x * 4;
      rows.set([255, 176, 0, Math.round(200 * heat)], at);
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 6, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}

function chunk(name, data) {
  const body = Buffer.concat([Buffer.from(name, "latin1"), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body), 0);
  return Buffer.concat([frame.subarray(0, 4), body, sum]);
}
