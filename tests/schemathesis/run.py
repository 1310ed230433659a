"""Holds the running service against its own OpenAPI document: no 5xx, no undocumented status.

    make schemathesis

Starts the service over a fresh data folder with the demo's documents, makes a key, asks everything that the document allows (and
what it does not), and exits with Schemathesis's code.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
DOCUMENT = REPOSITORY / "demo" / "documents"
# Streams that end with their reader alone, and the doors of other services, which have documents of their own.
ENDLESS = ["/v1/events", "/v1/documents/{id}/events"]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait(address: str, service: subprocess.Popen) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and service.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/livez", timeout=1)
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the service did not start")


def main() -> int:
    program = pathlib.Path(sys.argv[1]).resolve()
    smallest = min(DOCUMENT.glob("*.pdf"), key=lambda path: path.stat().st_size)
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder) / "quire.yaml"
        config.write_text("server:\n  limits: {requests_per_minute: 1000000}\n")
        known = pathlib.Path(folder) / "schemathesis.toml"
        base = [str(program), "--config", str(config), "--data-dir", f"{folder}/data"]
        subprocess.run([*base, "ingest", str(smallest)], check=True)
        scopes = ["--scope", "read", "--scope", "write"]
        made = subprocess.run([*base, "keys", "create", "schemathesis", *scopes, "--json"], check=True, capture_output=True)
        key = json.loads(made.stdout)["key"]
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        service = subprocess.Popen([*base, "serve", "--listen", f"127.0.0.1:{port}"], env=os.environ)
        try:
            wait(address, service)
            listed = urllib.request.Request(f"{address}/v1/documents", headers={"Authorization": f"Bearer {key}"})
            document = json.load(urllib.request.urlopen(listed))["documents"][0]["document_id"]
            known.write_text(f'[parameters]\n"path.id" = "{document}"\n"path.n" = 1\n')
            checks = ["not_a_server_error", "status_code_conformance", "content_type_conformance"]
            schemathesis = str(pathlib.Path(sys.executable).parent / "schemathesis")
            arguments = [
                "run", f"{address}/openapi.json",
                "--header", f"Authorization: Bearer {key}", "--checks", ",".join(checks), "--max-examples", "25",
                "--phases", "examples,coverage,fuzzing", "--request-timeout", "30", "--seed", "1",
            ]
            for path in ENDLESS:
                arguments += ["--exclude-path", path]
            # What is there is read in all ways first; then everything is tried, with ids that mean nothing too.
            reading = [schemathesis, "--config-file", str(known), *arguments, "--include-method", "GET"]
            codes = [subprocess.run(command).returncode for command in (reading, [schemathesis, *arguments])]
            return max(codes)
        finally:
            service.terminate()
            service.wait(timeout=60)


if __name__ == "__main__":
    sys.exit(main())
