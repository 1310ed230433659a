"""Runs nginx with deploy/nginx/quire.conf, on free ports of this machine and before a server that only this check has, and sees what a
caller sees: the way to TLS, streams that are not held back, uploads that come through, headers that say the truth, metrics that stay inside.
Ends with 1 and every fault.

Usage: proxy.py NGINX
"""

import http.client
import http.server
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

SITE = Path(__file__).resolve().parent.parent / "nginx" / "quire.conf"
NAME = "docs.example.com"
UPLOAD = b"x" * (5 << 20)
# What is around a site in Debian's nginx.conf, in a folder of its own.
AROUND = """
daemon off;
error_log stderr warn;
pid {folder}/pid;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/quire.conf;
}}
"""


class Behind(http.server.BaseHTTPRequestHandler):
    """The server behind nginx."""

    protocol_version = "HTTP/1.1"
    go_on = threading.Event()

    def do_GET(self):
        if self.path != "/v1/events":
            return self.answer(repr(dict(self.headers)).encode())
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"event: started\ndata: {}\n\n")
        self.wfile.flush()
        # the second event comes after the caller has seen the first
        seen = self.go_on.wait(10)
        self.wfile.write(b"event: indexed\ndata: {}\n\n" if seen else b"event: held back\ndata: {}\n\n")
        self.close_connection = True
        return None

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(str(len(body)).encode())

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def site(folder, plain, tls, behind):
    """The site with ports and certificate of this run; everything else stays."""
    text = SITE.read_text(encoding="utf-8")
    for old, new in [
        (r"listen 80;", f"listen 127.0.0.1:{plain};"),
        (r"listen 443 ssl http2;", f"listen 127.0.0.1:{tls} ssl http2;"),
        (r"listen \[::\]:\d+( ssl http2)?;", ""),
        (r"server 127\.0\.0\.1:6380;", f"server 127.0.0.1:{behind};"),
        (r"/etc/nginx/tls/", f"{folder}/"),
    ]:
        text, count = re.subn(old, new, text)
        if not count:
            raise SystemExit(f"proxy: {SITE} has no `{old}` any more: this check must follow")
    return text


def main():
    nginx = sys.argv[1]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Behind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    plain, tls = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", f"/CN={NAME}", "-addext",
                        f"subjectAltName=DNS:{NAME}", "-keyout", f"{folder}/{NAME}.key", "-out", f"{folder}/{NAME}.pem"],
                       check=True, capture_output=True)
        Path(folder, "quire.conf").write_text(site(folder, plain, tls, server.server_port), encoding="utf-8")
        Path(folder, "nginx.conf").write_text(AROUND.format(folder=folder), encoding="utf-8")
        command = [nginx, "-p", folder, "-c", f"{folder}/nginx.conf", "-e", "stderr"]
        test = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
        if test.returncode != 0:
            print(f"proxy: {test.stderr}", file=sys.stderr)
            return 1
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            faults = list(look(plain, tls, f"{folder}/{NAME}.pem"))
        finally:
            process.terminate()
            said = process.communicate(timeout=30)[1]
    for fault in faults:
        print(f"proxy: {fault}\n{said}", file=sys.stderr)
    print("proxy: nginx took the site" + ("" if faults else ", and what came through it is right"))
    return 1 if faults else 0


def look(plain, tls, certificate):
    trust = ssl.create_default_context(cafile=certificate)

    def ask(method, path, body=None, headers=None):
        raw = socket.create_connection(("127.0.0.1", tls), timeout=20)
        connection = http.client.HTTPSConnection(NAME, context=trust)
        connection.sock = trust.wrap_socket(raw, server_hostname=NAME)
        connection.request(method, path, body=body, headers=headers or {})
        return connection.getresponse()

    # it listens as soon as it runs; this waits for that, not for time
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", tls), timeout=1).close()
            break
        except OSError:
            time.sleep(0.05)

    first = http.client.HTTPConnection("127.0.0.1", plain, timeout=20)
    first.request("GET", "/v1/status?x=1", headers={"Host": NAME})
    moved = first.getresponse()
    if (moved.status, moved.headers["Location"]) != (308, f"https://{NAME}/v1/status?x=1"):
        yield f"plain HTTP is answered with {moved.status} {moved.headers['Location']}"

    answer = ask("GET", "/v1/status", headers={"X-Forwarded-For": "6.6.6.6", "Authorization": "Bearer key"})
    told = answer.read().decode()
    for part in [f"'Host': '{NAME}'", "'X-Forwarded-Proto': 'https'", "'X-Forwarded-For': '127.0.0.1'", "'Authorization': 'Bearer key'"]:
        if part not in told:
            yield f"the service is not told {part}: {told}"
    if "6.6.6.6" in told:
        yield "a caller's own X-Forwarded-For reaches the service"
    if "Strict-Transport-Security" not in answer.headers:
        yield "no Strict-Transport-Security"

    events = ask("GET", "/v1/events")
    if events.readline() != b"event: started\n":
        yield "the first event is another"
    Behind.go_on.set()
    if b"event: indexed" not in events.read():
        yield "events are held back until the stream ends"

    if ask("GET", "/metrics").status != 404:
        yield "metrics are open to callers"
    uploaded = ask("POST", "/v1/documents", body=UPLOAD)
    if (uploaded.status, uploaded.read()) != (200, str(len(UPLOAD)).encode()):
        yield "an upload did not come through"
    if ask("GET", "/v1/documents/1/pages/2/image?width=300").status != 200:
        yield "a page image did not come through"


if __name__ == "__main__":
    sys.exit(main())
