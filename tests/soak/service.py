"""A `quire serve` that can be started, killed and asked, and what is found in its data folder.

Needs nothing beside the standard library. QUIRE_ONNXRUNTIME, QUIRE_PDFIUM and QUIRE_MODELS count as they do for the program.
"""

import argparse
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
COLLECTION = "documents"
# What a connection can end with while a service is killed.
GONE = (OSError, http.client.HTTPException)


class Failed(Exception):
    """Something that must hold does not."""


def check(holds, what, found=""):
    if not holds:
        raise Failed(f"{what}: {found}" if found != "" else what)


def say(text):
    print(time.strftime("%H:%M:%S"), text, flush=True)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until(what, look, patience_s, every_s=0.2):
    """Looks again and again until there is something; fails after `patience_s`, with what `look` said last in its attribute."""
    deadline = time.monotonic() + patience_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Failed(f"waited {patience_s:.0f} s in vain for {what}: {getattr(look, 'said', '')}")
        time.sleep(every_s)


class Service:
    """One data folder, one address, and the process that serves it, if any does."""

    def __init__(self, program, folder, config="", pipeline_settings="", environment=None):
        """Watches `folder`/watched. `config`: sections of the service configuration."""
        self.program, self.folder = str(Path(program).resolve()), Path(folder).resolve()
        self.data, self.watched, self.log = self.folder / "data", self.folder / "watched", self.folder / "serve.log"
        self.watched.mkdir(parents=True, exist_ok=True)
        pipeline = f"version: 1\nname: watched\ncollection: {COLLECTION}\nsource: {{paths: [watched], watch: true}}\n"
        (self.folder / "watched.yaml").write_text(pipeline + pipeline_settings)
        # Not quire.yaml: commands are run in this folder, and would read it.
        self.config = self.folder / "service.yaml"
        if "server:" not in config:
            config += "server: {limits: {requests_per_minute: 1000000}}\n"
        self.config.write_text(f"version: 1\npipelines: [watched.yaml]\nwatch: {{settle_s: 0, rescan_s: 5}}\n{config}")
        self.environment = {"QUIRE_MODELS": str(REPOSITORY / "models"), **os.environ, **(environment or {})}
        self.environment |= {"QUIRE_DATA_DIR": str(self.data), "XDG_CONFIG_HOME": str(self.folder)}
        self.environment.pop("QUIRE_CONFIG", None)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        """Starts the process; returns at once."""
        command = [self.program, "--config", str(self.config), "serve", "--listen", f"127.0.0.1:{self.port}"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, env=self.environment, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )

    def lives(self):
        return self.process is not None and self.process.poll() is None

    def wait_for(self, path="/livez", patience_s=120):
        """Until it answers there with 200."""

        def answers():
            check(self.lives(), "the service ended", self.tail())
            return self.ask("GET", path)[0] == 200

        until(f"{path} to answer", answers, patience_s)

    def wait_for_socket(self, patience_s=60):
        """Until commands find it."""
        until("the control socket", self.takes_commands, patience_s)

    def takes_commands(self):
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(self.data / "control.sock"))
            return True
        except OSError:
            return False

    def kill(self):
        """kill -9, the way the kernel does it: nothing is said before."""
        if self.lives():
            self.process.kill()
        if self.process is not None:
            self.process.wait()

    def stop(self, patience_s=40):
        """SIGTERM; what is left then is killed, and named."""
        if not self.lives():
            return
        self.process.terminate()
        try:
            code = self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"the service did not end within {patience_s} s of SIGTERM") from None
        check(code == 0, "the service's exit code after SIGTERM", code)

    def tail(self, lines=15):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def ask(self, method, path, body=None, headers=None, timeout_s=30):
        """Status and body (JSON where it is some); (0, reason) where nobody answers."""
        headers = dict(headers or {})
        if isinstance(body, dict):
            body, headers["content-type"] = json.dumps(body).encode(), "application/json"
        request = urllib.request.Request(self.url + path, data=body, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                return answer.status, parsed(answer.read())
        except urllib.error.HTTPError as error:
            try:
                return error.code, parsed(error.read())
            except GONE as gone:
                return 0, str(gone)
        except GONE as error:
            return 0, str(error)

    def upload(self, name, content, key, timeout_s=60):
        edge = uuid.uuid4().hex
        head = f'--{edge}\r\ncontent-disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        body = head.encode() + content + f"\r\n--{edge}--\r\n".encode()
        headers = {"content-type": f"multipart/form-data; boundary={edge}", "idempotency-key": key}
        return self.ask("POST", "/v1/documents", body, headers, timeout_s)

    def put_down(self, name, content):
        """Into the watched folder, whole at once, as programs put files down that others watch."""
        part = self.folder / f".{name}.part"
        part.write_bytes(content)
        part.rename(self.watched / name)
        return self.watched / name

    def command(self, *arguments, timeout_s=900):
        """A command of the same data folder: exit code, output, errors."""
        ran = subprocess.run(
            [self.program, *map(str, arguments)], env=self.environment, cwd=self.folder, capture_output=True, timeout=timeout_s
        )
        return ran.returncode, ran.stdout.decode(errors="replace"), ran.stderr.decode(errors="replace")

    def documents(self):
        """All of them, through the API."""
        found, cursor = [], ""
        while True:
            code, page = self.ask("GET", f"/v1/documents?limit=1000&cursor={urllib.parse.quote(cursor)}" if cursor else
                                  "/v1/documents?limit=1000")
            check(code == 200, "listing documents", (code, page))
            found += page["documents"]
            cursor = page["next_cursor"]
            if not cursor:
                return found

    def counts(self):
        """Documents by state; None where nobody answers."""
        code, page = self.ask("GET", "/v1/documents?limit=1")
        return page["counts"] if code == 200 else None

    def status(self):
        code, status = self.ask("GET", "/v1/status")
        return status if code == 200 else None

    def tree(self):
        """Its process and those that it started."""
        found = [self.process.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    found += [int(child) for child in task.read_text().split()]
                except OSError:
                    pass  # the thread has ended
        return found


def parsed(body):
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


def check_whole(service, expected, may_be=(), patience_s=120):
    """Holds the service against `expected`: pages by what each source ends with. `may_be`: as `expected`, of documents that nobody
    was told were accepted. Nothing may be missing, there twice, left over, or given up."""
    documents = service.documents()
    known = {**dict(may_be), **expected}
    found = {}
    for document in documents:
        name = document["source"].rsplit("/", 1)[-1]
        check(name in known, "a document that nobody gave", document)
        check(name not in found, "a document that is there twice", (found.get(name), document))
        found[name] = document
        check(document["state"] == "indexed", "a document that is not indexed", document)
        check(not document["failed_pages"], "pages that failed", document)
        check(document["page_count"] == known[name], "pages", document)
    missing = sorted(set(expected) - set(found))
    check(not missing, f"{len(missing)} documents were accepted and are lost", missing[:5])
    pages = sum(known[name] for name in found)
    listed = {it["name"]: it["pages"] for it in service.status()["collections"]}
    check(listed == {COLLECTION: pages}, f"{pages} pages are expected", listed)
    check_store(service, pages, patience_s)
    return found, pages


def check_store(service, pages, patience_s):
    """The store holds exactly these pages, once what waits for its removal is gone."""

    def sound():
        code, out, err = service.command("--json", "store", "check")
        sound.said = out or err
        if code not in (0, 1) or not out:
            return False
        [one] = json.loads(out)["collections"]
        check(one["foreign_points"] == 0 and not one["orphans"] and not one["incomplete"], "the store is not sound", out)
        return one["waiting_for_removal"] == 0 and one["in_work"] == 0 and one["points"] == pages

    until(f"the store to hold exactly {pages} pages", sound, patience_s, every_s=1)


def check_files(service, documents):
    """What lies in the data folder of a service that has ended: page images of what is indexed, uploads of what is known, nothing
    else. `documents`: as :func:`check_whole` found them."""
    blobs = service.data / "blobs"
    by_id = {document["document_id"]: document for document in documents.values()}
    images, uploads, strange = {}, {}, []
    for path in sorted(path for path in blobs.rglob("*") if path.is_file()):
        parts = path.relative_to(blobs).parts
        if parts[0] == "pages" and len(parts) == 5 and path.suffix == ".jpg":
            images.setdefault(parts[2], {}).setdefault(parts[3], []).append(path.name)
        elif parts[0] == "uploads" and len(parts) == 4 and "#" not in path.name:
            uploads.setdefault(parts[2], []).append(path.name)
        else:
            strange.append(str(path.relative_to(blobs)))
    faults = [f"{len(strange)} files that are no blobs, such as {strange[0]}"] if strange else []
    for what, found in (("page images", images), ("uploads", uploads)):
        unknown = sorted(set(found) - set(by_id))
        if unknown:
            faults.append(f"{what} of {len(unknown)} documents that nobody knows, such as {unknown[0]}")
    for document, generations in images.items():
        if document in by_id and len(generations) != 1:
            faults.append(f"page images of {len(generations)} generations of {by_id[document]['source']}")
        if document in by_id and sum(map(len, generations.values())) < by_id[document]["page_count"]:
            faults.append(f"page images of {by_id[document]['source']} are missing")
    uploaded = {known for known, document in by_id.items() if document["source"].startswith("upload:")}
    if uploaded - set(uploads):
        faults.append(f"the bytes of {len(uploaded - set(uploads))} uploads are missing")
    if set(uploads) & set(by_id) - uploaded or any(len(names) > 1 for names in uploads.values()):
        faults.append("bytes of uploads that are no uploads, or several of one")
    spool = [path.name for path in (service.data / "spool").rglob("*") if path.is_file()]
    if spool:
        faults.append(f"{len(spool)} copies in the spool, such as {spool[0]}")
    check(not faults, "left over in the data folder", "; ".join(faults))


def arguments(text):
    """A parser that takes the program first; `text`: the script's own."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path, help="the program, built for release")
    return parser


def main(run, parser):
    """Runs `run(args, folder)` in a folder of its own and ends with 1 where something does not hold."""
    parser.add_argument("--folder", type=Path, help="an empty folder to work in, which stays; else one that goes")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="quire-soak-") as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            outcome = run(args, folder)
        except Failed as failure:
            say(f"FAILED: {failure}")
            return 1
        print(json.dumps(outcome, indent=2))
        return int(bool(outcome.get("faults")))


def in_background(*works):
    """Runs these at the same time; the first failure of any is raised when all have ended."""
    failures = []

    def guarded(work):
        try:
            work()
        except BaseException as failure:  # noqa: BLE001 - it is raised below
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()

    def end():
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    end.failures = failures
    return end


def freeze(pids, frozen=True):
    for pid in pids:
        os.kill(pid, signal.SIGSTOP if frozen else signal.SIGCONT)


if __name__ == "__main__":
    sys.exit(__doc__)
