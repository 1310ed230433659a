// Reads multipart/form-data as a browser sends it, whole in memory. For the mock alone.

/** {files: [{name, bytes}], fields: {name: text}} */
export function readForm(bytes, contentType) {
  const boundary = Buffer.from(`--${/boundary=(.+)$/.exec(contentType)[1]}`);
  const files = [];
  const fields = {};
  let at = bytes.indexOf(boundary);
  for (;;) {
    const next = bytes.indexOf(boundary, at + boundary.length);
    if (next < 0) return { files, fields };
    const part = bytes.subarray(at + boundary.length + 2, next - 2);
    const end = part.indexOf("\r\n\r\n");
    const head = part.subarray(0, end).toString("utf8");
    const content = part.subarray(end + 4);
    const name = / name="([^"]*)"/.exec(head)[1];
    const file = /filename="([^"]*)"/.exec(head);
    if (file) files.push({ name: file[1], bytes: content });
    else fields[name] = content.toString("utf8");
    at = next;
  }
}
