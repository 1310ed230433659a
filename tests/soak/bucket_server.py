"""As much of S3 as page images need, kept in a folder: put, get (ranges too), head, delete, list. It asks for no credentials.

    bucket_server.py FOLDER PORT
"""

import hashlib
import os
import sys
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.sax.saxutils import escape

PAGE = 1000


class Bucket(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    root = None

    def log_message(self, *_):
        pass

    def target(self):
        """The object's file, and the query."""
        url = urllib.parse.urlsplit(self.path)
        key = urllib.parse.unquote(url.path).strip("/")
        if ".." in key.split("/"):
            raise ValueError(key)
        return self.root / key, dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))

    def answer(self, status, body=b"", headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self):
        if "aws-chunked" in self.headers.get("content-encoding", ""):
            raise ValueError("signed in pieces")
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def do_PUT(self):
        content = self.body()
        path, _ = self.target()
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}.{id(content)}")
        part.write_bytes(content)
        part.rename(path)
        self.answer(200, headers={"etag": f'"{hashlib.md5(content).hexdigest()}"'})

    def do_GET(self):
        path, query = self.target()
        if "list-type" in query:
            return self.list(path, query)
        if not path.is_file():
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        content = path.read_bytes()
        headers = {"etag": f'"{hashlib.md5(content).hexdigest()}"', "last-modified": self.date_time_string(path.stat().st_mtime)}
        wanted = self.headers.get("range")
        if wanted:
            first, last = wanted.removeprefix("bytes=").split("-")
            first, last = int(first), min(int(last or len(content) - 1), len(content) - 1)
            headers["content-range"] = f"bytes {first}-{last}/{len(content)}"
            return self.answer(206, content[first : last + 1], headers)
        return self.answer(200, content, headers)

    do_HEAD = do_GET

    def do_DELETE(self):
        path, _ = self.target()
        path.unlink(missing_ok=True)
        self.answer(204)

    def do_POST(self):
        """Deletes many at once (`?delete`)."""
        path, query = self.target()
        content = self.body().decode()
        if "delete" not in query:
            return self.answer(501)
        keys = [part.split("</Key>")[0] for part in content.split("<Key>")[1:]]
        for key in keys:
            (path / key).unlink(missing_ok=True)
        deleted = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
        return self.answer(200, f"<DeleteResult>{deleted}</DeleteResult>".encode())

    def list(self, bucket, query):
        keys = sorted(
            path.relative_to(bucket).as_posix() for path in bucket.rglob("*") if path.is_file() and path.name[0] != "."
        )
        after = query.get("continuation-token", "")
        keys = [key for key in keys if key.startswith(query.get("prefix", "")) and key > after]
        page, more = keys[:PAGE], len(keys) > PAGE
        entry = (
            "<Contents><Key>{}</Key><Size>{}</Size><ETag>\"e\"</ETag><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            "</Contents>"
        )
        listed = "".join(entry.format(escape(key), (bucket / key).stat().st_size) for key in page)
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        truncated = str(more).lower()
        body = f"<ListBucketResult><KeyCount>{len(page)}</KeyCount><IsTruncated>{truncated}</IsTruncated>{token}{listed}</ListBucketResult>"
        self.answer(200, body.encode(), {"content-type": "application/xml"})


if __name__ == "__main__":
    Bucket.root = Path(sys.argv[1])
    ThreadingHTTPServer.allow_reuse_address = True
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Bucket).serve_forever()
